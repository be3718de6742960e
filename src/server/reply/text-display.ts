import type { TextPiece } from '../../engine/thinking/section-parser.ts';
import type { Protocol } from '../../package/protocol.ts';
import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import { conflict } from '../http/errors.ts';
import type { ReplyPart } from './reply-parts.ts';
import type { AnswerReader } from './tool-calls/answer-reader.ts';

/** What becomes of the thinking in the reply: fields of its own, part of the content, or nothing. */
export type ReasoningDisplay = 'separate' | 'inline' | 'hidden';

/** @throws ApiError naming two fields that contradict */
export function resolveDisplay(body: ChatCompletionRequest): ReasoningDisplay {
  const { include_reasoning: include, reasoning, separate_reasoning: separate } = body;
  const exclude = reasoning?.exclude;
  if (typeof include === 'boolean' && include === exclude) {
    const why = include ? 'one wants the thinking, one does not.' : 'one wants it hidden, one not.';
    throw conflict('include_reasoning', 'reasoning.exclude', why);
  }
  const isHidden = include === false || exclude === true;
  if (separate !== false) return isHidden ? 'hidden' : 'separate';
  if (!isHidden) return 'inline';
  const field = include === false ? 'include_reasoning' : 'reasoning.exclude';
  throw conflict('separate_reasoning', field, 'what is left out cannot be part of the content.');
}

export interface TextDisplayOptions {
  readonly display: ReasoningDisplay;
  readonly tags: Protocol['tags'];
  /** Tells calls from text; null where no tools are on offer. Thinking is never looked at. */
  readonly answer: AnswerReader | null;
}

/**
 * Turns sections into what a caller is shown. Inline thinking stands between the protocol's tags on lines of their own
 * at the start of the content, whatever white space the model put there; a direct answer has no tags.
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

  /** What is still to be written when nothing more comes. */
  end(): ReplyPart[] {
    return [...(this.#answer?.end() ?? []), ...this.#close()];
  }

  #showOne({ section, text }: TextPiece): ReplyPart[] {
    if (section === 'answer') {
      return [...this.#close(), ...(this.#answer?.push(text) ?? [{ type: 'content', text }])];
    }
    if (section !== 'reasoning' || this.#display === 'hidden') return [];
    if (this.#display === 'separate') return [{ type: 'reasoning', text }];
    const shown = this.#isOpen ? text : `${this.#tags.open}\n${text}`;
    this.#isOpen = true;
    return [{ type: 'content', text: shown }];
  }

  /** The close tag, where an open tag stands. */
  #close(): ReplyPart[] {
    if (!this.#isOpen) return [];
    this.#isOpen = false;
    return [{ type: 'content', text: `\n${this.#tags.close}\n\n` }];
  }
}
