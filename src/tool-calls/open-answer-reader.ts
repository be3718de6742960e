import { randomUUID } from 'node:crypto';
import type { ToolCallFormat } from '../model-package/manifest.ts';
import type { AnswerReader } from './answer-reader.ts';
import { HermesReader } from './hermes-reader.ts';
import type { Tool } from './tool.ts';

/** What a reply may call, and how the model writes it. */
export interface OfferedTools {
  readonly format: ToolCallFormat;
  readonly tools: readonly Tool[];
}

/** The reader of a model's way to write calls, for one reply. */
export function openAnswerReader({ format, tools }: OfferedTools): AnswerReader {
  const names = new Set(tools.map(({ name }) => name));
  switch (format) {
    case 'hermes':
      return new HermesReader({ names, newId: newCallId });
  }
}

function newCallId(): string {
  return `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
}
