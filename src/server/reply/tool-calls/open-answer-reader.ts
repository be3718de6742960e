import { randomUUID } from 'node:crypto';
import type { ToolCallFormat } from '../../../package/manifest.ts';
import type { AnswerReader } from './answer-reader.ts';
import { HermesReader } from './hermes-reader.ts';
import type { RequestedTool, Tool } from './tool.ts';

/** What a reply may call, and how the model writes it. */
export interface OfferedTools {
  readonly format: ToolCallFormat;
  /** Shown to the model. */
  readonly tools: readonly Tool[];
  /** Those of them that may be called. */
  readonly callable: readonly RequestedTool[];
  /** At least one must be. */
  readonly required: boolean;
}

/** The reader of a model's way to write calls, for one reply. */
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
