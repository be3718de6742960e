/** A piece of an answer in which calls have been told from text. */
export type AnswerPart =
  | { readonly type: 'content'; readonly text: string }
  | ToolCallStart
  | { readonly type: 'tool_arguments'; readonly index: number; readonly text: string };

/** A call begins; its arguments follow as text. */
export interface ToolCallStart {
  readonly type: 'tool_call';
  /** Place among the reply's calls. */
  readonly index: number;
  readonly id: string;
  /** Name of the function. */
  readonly name: string;
}

/** Tells calls from text in an answer that comes in pieces; the pieces' borders change nothing. */
export interface AnswerReader {
  push(text: string): AnswerPart[];
  /** What was held back, when nothing more comes. */
  end(): AnswerPart[];
}

export interface ToolCallOptions {
  /** Functions on offer; a call of any other is text. */
  readonly names: ReadonlySet<string>;
  readonly newId: () => string;
}
