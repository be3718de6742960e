/** A piece of what a caller is shown, in the order it is written. */
export type ReplyPart =
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'content'; readonly text: string }
  /** A call begins; its arguments follow as text. */
  | ToolCallStart
  | { readonly type: 'tool_arguments'; readonly index: number; readonly text: string };

export interface ToolCallStart {
  readonly type: 'tool_call';
  /** Place among the reply's calls. */
  readonly index: number;
  readonly id: string;
  /** Name of the function. */
  readonly name: string;
}

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
