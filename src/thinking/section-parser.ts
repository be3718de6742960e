import type { Protocol } from '../model-package/protocol.ts';
import { heldSuffixLength } from './hold-back.ts';

/** `frame` is protocol text: the tags and the white space that belongs to them. */
export type Section = 'reasoning' | 'answer' | 'frame';

export interface TextPiece {
  readonly section: Section;
  readonly text: string;
}

/**
 * Place in the generated text: before anything, in a block that holds only white space yet, in the thinking, right
 * after the close tag, in the answer.
 */
type Place = 'outside' | 'block-start' | 'reasoning' | 'answer-start' | 'answer';

/**
 * Cuts the text a model writes into reasoning, answer and frame, as it streams. Text is given out once no later text
 * can change its section; the concatenation of all pieces is the model's text, byte for byte.
 *
 * A block that holds nothing but white space, or none at all, is a direct answer.
 */
export class SectionParser {
  readonly #open: string;
  readonly #close: string;
  #place: Place;
  #held = '';
  #thought = false;
  #pieces: TextPiece[] = [];

  /** @param start where the prompt's own tags leave the text. */
  constructor(tags: Protocol['tags'], start: 'outside' | 'block' | 'answer') {
    this.#open = tags.open;
    this.#close = tags.close;
    this.#place = start === 'block' ? 'block-start' : start === 'answer' ? 'answer-start' : start;
  }

  /** Inside an open block: the text is, or may become, thinking. */
  get inBlock(): boolean {
    return this.#place === 'block-start' || this.#place === 'reasoning';
  }

  /** What the text shows so far: thinking, a direct answer, or neither yet. */
  get mode(): 'think' | 'fast' | null {
    if (this.#thought) return 'think';
    return this.inAnswer ? 'fast' : null;
  }

  get inAnswer(): boolean {
    return this.#place === 'answer-start' || this.#place === 'answer';
  }

  /** True at the very start of a block: the next token decides. */
  get atBlockStart(): boolean {
    return this.#place === 'block-start' && this.#held === '';
  }

  push(text: string): TextPiece[] {
    this.#held += text;
    while (this.#advance());
    return this.#take();
  }

  /** Gives out what was held back: nothing can follow. */
  end(): TextPiece[] {
    const section = this.#place === 'reasoning' || this.#place === 'answer' ? this.#place : 'frame';
    const isText = this.#held.trim() !== '';
    if (section !== 'frame') this.#emit(section, this.#held.length);
    else if (isText) this.#emit(this.inBlock ? 'reasoning' : 'answer', this.#held.length);
    else this.#emit('frame', this.#held.length);
    return this.#take();
  }

  /** One transition; false when more text is needed. */
  #advance(): boolean {
    switch (this.#place) {
      case 'outside':
        return this.#enterAtTag(this.#open, 'block-start', 'answer');
      case 'block-start':
        return this.#enterAtTag(this.#close, 'answer-start', 'reasoning');
      case 'reasoning':
        return this.#readReasoning();
      case 'answer-start':
        return this.#skipLineBreaks();
      case 'answer':
        this.#emit('answer', this.#held.length);
        return false;
    }
  }

  /** White space, then either `tag` (frame, go to `onTag`) or other text (go to `onText`). */
  #enterAtTag(tag: string, onTag: Place, onText: 'answer' | 'reasoning'): boolean {
    const text = this.#held.trimStart();
    const space = this.#held.length - text.length;
    if (text.startsWith(tag)) {
      this.#emit('frame', space + tag.length);
      this.#place = onTag;
      return true;
    }
    if (text === '' || tag.startsWith(text)) return false;
    // Before an answer without any tag the white space is the model's own; in a block it frames the thinking.
    this.#emit(onText === 'answer' ? 'answer' : 'frame', space);
    this.#place = onText;
    this.#thought = onText === 'reasoning';
    return true;
  }

  #readReasoning(): boolean {
    const at = this.#held.indexOf(this.#close);
    if (at >= 0) {
      const thought = this.#held.slice(0, at).trimEnd().length;
      this.#emit('reasoning', thought);
      this.#emit('frame', at - thought + this.#close.length);
      this.#place = 'answer-start';
      return true;
    }
    const certain = this.#held.length - heldSuffixLength(this.#held, [this.#close]);
    this.#emit('reasoning', this.#held.slice(0, certain).trimEnd().length);
    return false;
  }

  #skipLineBreaks(): boolean {
    const breaks = /^[\r\n]*/.exec(this.#held)?.[0].length ?? 0;
    this.#emit('frame', breaks);
    if (this.#held === '') return false;
    this.#place = 'answer';
    return true;
  }

  #emit(section: Section, length: number): void {
    if (length === 0) return;
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    const last = this.#pieces.at(-1);
    if (last?.section === section)
      this.#pieces[this.#pieces.length - 1] = { section, text: last.text + text };
    else this.#pieces.push({ section, text });
  }

  #take(): TextPiece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }
}
