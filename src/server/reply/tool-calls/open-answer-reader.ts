import { randomUUID } from 'node:crypto';
import type { ToolCallFormat } from '../../../package/manifest.ts';
import type { AnswerReader } from './answer-reader.ts';
import { HermesReader } from './hermes-reader.ts';
import type { RequestedTool, Tool } from './tool.ts';

/** The tools of a reply, and how the model writes calls. */
export interface OfferedTools {
  readonly format: ToolCallFormat;
  /** Tools that the model sees. */
  readonly tools: readonly Tool[];
  /** Tools that the model may call. */
  readonly callable: readonly RequestedTool[];
  /** Whether the model must call at least one. */
  readonly required: boolean;
}

/** Creates the reader of the model's call format, for one reply. */
export function openAnswerReader({ format, callable }: OfferedTools): AnswerReader {
  const names = new Set(callable.map(({ name }) => name));
  switch (format) {
    case 'hermes':
      return new HermesReader({ names, newId: newCallId });
  }
}

function newCallId(): string {
  return `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
}
