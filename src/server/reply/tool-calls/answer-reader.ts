/** A piece of an answer, with tool calls separated from text. */
export type AnswerPart =
  | { readonly type: 'content'; readonly text: string }
  | ToolCallStart
  | { readonly type: 'tool_arguments'; readonly index: number; readonly text: string };

/** The beginning of a call; its arguments follow as text. */
export interface ToolCallStart {
  readonly type: 'tool_call';
  /** Position among the calls of the reply. */
  readonly index: number;
  readonly id: string;
  /** Name of the function. */
  readonly name: string;
}

/** Separates tool calls from text in an answer that arrives in pieces. The result does not depend on how it is cut. */
export interface AnswerReader {
  push(text: string): AnswerPart[];
  /** Ends the answer. @returns the parts that were held back */
  end(): AnswerPart[];
}

export interface ToolCallOptions {
  /** Names of the callable functions; a call of any other is text. */
  readonly names: ReadonlySet<string>;
  readonly newId: () => string;
}
