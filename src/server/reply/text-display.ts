import type { TextPiece } from '../../engine/thinking/section-parser.ts';
import type { Protocol } from '../../package/protocol.ts';
import type { AnswerPart, AnswerReader } from './tool-calls/answer-reader.ts';

/**
 * How the reply shows the thinking: in fields of its own, as part of the content, or not at all. `verbatim` shows all
 * generated text as content, with every tag, for prompts that have no thinking mode.
 */
export type ReasoningDisplay = 'separate' | 'inline' | 'hidden' | 'verbatim';

/** A piece of what the client is shown, in the order in which it is written. */
export type ReplyPart = AnswerPart | { readonly type: 'reasoning'; readonly text: string };

export interface TextDisplayOptions {
  readonly display: ReasoningDisplay;
  readonly tags: Protocol['tags'];
  /** Separates tool calls from the text of the answer; null when there are no tools. */
  readonly answer: AnswerReader | null;
}

/**
 * Turns sections of generated text into the parts that the client is shown. Inline thinking stands at the start of the
 * content, between the protocol's tags, each on a line of its own; a direct answer has no tags.
 */
export class TextDisplay {
  readonly #display: ReasoningDisplay;
  readonly #tags: Protocol['tags'];
  readonly #answer: AnswerReader | null;
  #isOpen = false;

  constructor({ display, tags, answer }: TextDisplayOptions) {
    this.#display = display;
    this.#tags = tags;
    this.#answer = answer;
  }

  show(pieces: readonly TextPiece[]): ReplyPart[] {
    return pieces.flatMap((piece) => (piece.text === '' ? [] : this.#showOne(piece)));
  }

  /** Ends the reply. @returns the parts that were held back, and the close tag of inline thinking */
  end(): ReplyPart[] {
    return [...(this.#answer?.end() ?? []), ...this.#close()];
  }

  #showOne({ section, text }: TextPiece): ReplyPart[] {
    if (this.#display === 'verbatim') return [{ type: 'content', text }];
    if (section === 'answer') {
      return [...this.#close(), ...(this.#answer?.push(text) ?? [{ type: 'content', text }])];
    }
    if (section !== 'reasoning' || this.#display === 'hidden') return [];
    if (this.#display === 'separate') return [{ type: 'reasoning', text }];
    const shown = this.#isOpen ? text : `${this.#tags.open}\n${text}`;
    this.#isOpen = true;
    return [{ type: 'content', text: shown }];
  }

  /** The close tag, if an open tag was written. */
  #close(): ReplyPart[] {
    if (!this.#isOpen) return [];
    this.#isOpen = false;
    return [{ type: 'content', text: `\n${this.#tags.close}\n\n` }];
  }
}
