import type { AnswerPart } from './tool-calls/answer-reader.ts';

/** A piece of what a caller is shown, in the order it is written. */
export type ReplyPart = AnswerPart | { readonly type: 'reasoning'; readonly text: string };

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** As the model wrote them: JSON, unless the reply was cut off within the call. */
  readonly arguments: string;
}

/** A whole reply. */
export interface Reply {
  readonly reasoning: string;
  readonly content: string;
  readonly toolCalls: readonly ToolCall[];
}

/** Puts the pieces of a reply together. */
export function joinParts(parts: readonly ReplyPart[]): Reply {
  const textOf = (type: 'reasoning' | 'content'): string =>
    parts.map((part) => (part.type === type ? part.text : '')).join('');
  const argumentsOf = (index: number): string =>
    parts
      .map((part) => (part.type === 'tool_arguments' && part.index === index ? part.text : ''))
      .join('');
  const toolCalls = parts
    .filter((part) => part.type === 'tool_call')
    .map(({ index, id, name }) => ({ id, name, arguments: argumentsOf(index) }));
  return { reasoning: textOf('reasoning'), content: textOf('content'), toolCalls };
}
