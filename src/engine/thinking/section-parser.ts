import type { Protocol } from '../../package/protocol.ts';
import type { StartSection } from './decision.ts';
import { findFirst, heldSuffixLength } from './hold-back.ts';
import { type Gate, type Grammar, grammarOf, type Verdict } from './protocol-grammar.ts';
import { PLACES, type Place, REGIONS, type Region } from './section-place.ts';

/**
 * Where in the generated text something stands. `delimiter` is protocol text: tags, control strings and the white space
 * that belongs to them. `preamble` is what a model writes to weigh the question, before it thinks or answers.
 */
export type Section = 'preamble' | 'reasoning' | 'answer' | 'delimiter';

/** The section a token counts for. A tag counts for the section that it opens or closes. */
export type TokenSection = Exclude<Section, 'delimiter'>;

export interface TextPiece {
  readonly section: Section;
  readonly text: string;
}

/** The parts of a protocol that cut its text. */
export type ParsedProtocol = Pick<Protocol, 'tags' | 'preamble' | 'decide' | 'answer'>;

/**
 * Cuts the text a model writes into preamble, reasoning, answer and frame, as it streams. Text is given out once no
 * later text can change its section; the concatenation of all pieces is the model's text, byte for byte.
 *
 * A block that holds nothing but white space, or none at all, is a direct answer. Tags count where the protocol has
 * them: before the text, and right after a block (a model that opens its block again goes back into it; a close tag
 * that was never opened is frame). In the midst of an answer they are the answer's own text.
 */
export class SectionParser {
  readonly #protocol: ParsedProtocol;
  readonly #grammar: Grammar;
  #place: Place;
  #answerClose: string;
  #held = '';
  #preamble = '';
  #signal: Verdict | null = null;
  #thought = false;
  #numBlocks: number;
  #pieces: TextPiece[] = [];

  /** @param start where the prompt's own tags leave the text. */
  constructor(protocol: ParsedProtocol, start: StartSection) {
    this.#protocol = protocol;
    this.#grammar = grammarOf(protocol);
    this.#place = PLACES[start];
    this.#answerClose = this.#grammar.directAnswerClose;
    this.#numBlocks = start === 'block' ? 1 : 0;
  }

  get place(): Place {
    return this.#place;
  }

  get region(): Region {
    return REGIONS[this.#place];
  }

  /** Inside an open block: the text is, or may become, thinking. */
  get inBlock(): boolean {
    return this.region === 'block';
  }

  get inAnswer(): boolean {
    return this.region === 'answer';
  }

  /** The block is closed, and none has been opened since. */
  get afterBlock(): boolean {
    return this.#place === 'answer-start' || this.inAnswer;
  }

  /** Blocks opened so far, one that the prompt opened included. */
  get numBlocks(): number {
    return this.#numBlocks;
  }

  /** What the text shows so far: thinking, a direct answer, or neither yet. */
  get mode(): Verdict | null {
    if (this.#thought || this.#signal === 'think') return 'think';
    return this.inAnswer ? 'fast' : null;
  }

  /** At the very start of a block: the next token decides, where a block does. */
  get atBlockStart(): boolean {
    return this.#place === 'block-start' && this.#held === '';
  }

  /** In a block that holds only white space yet. */
  get inEmptyBlock(): boolean {
    return this.#place === 'block-start';
  }

  /** Where a control string may come next; after the preamble, if the protocol has one. */
  get atMarker(): boolean {
    const here = this.#grammar.hasPreamble ? 'judged' : 'outside';
    return this.#place === here && this.#held.trim() === '';
  }

  /** Text is held back that may be the beginning of a tag. */
  get holdsText(): boolean {
    return this.#held.trim() !== '';
  }

  /** Where a text would lead, and whether it would begin the answer with more than white space. */
  preview(text: string): { readonly region: Region; readonly beginsAnswer: boolean } {
    const copy = this.#copy();
    const written = copy.push(text).some((piece) => piece.section === 'answer' && isWords(piece));
    const { region, holdsText } = copy;
    return { region, beginsAnswer: written || (region === 'answer' && holdsText) };
  }

  push(text: string): TextPiece[] {
    this.#held += text;
    while (this.#advance());
    return this.#take();
  }

  /** What a text would do to the open block: end it, leave it without a word, or put words into it. */
  peek(text: string): 'closes' | 'blank' | 'words' {
    const { open, close } = this.#grammar;
    const next = this.#held + text;
    if (this.#place === 'reasoning') return next.includes(close) ? 'closes' : 'words';
    const start = next.trimStart();
    if (start.startsWith(close)) return 'closes';
    return close.startsWith(start) || open.startsWith(start) ? 'blank' : 'words';
  }

  /** Gives out what was held back: nothing can follow. */
  end(): TextPiece[] {
    const { region } = this;
    const isBlank = this.#held.trim() === '';
    const isGate = region === 'open' || this.#place === 'block-start';
    if (isBlank && (isGate || this.#place === 'after-tagged')) this.#emit('delimiter');
    else if (region === 'block') this.#emit('reasoning');
    else this.#emit(region === 'preamble' ? 'preamble' : 'answer');
    return this.#take();
  }

  /** One transition; false when more text is needed. */
  #advance(): boolean {
    switch (this.#place) {
      case 'outside':
      case 'judged':
      case 'block-start':
        return this.#readGate(this.#place);
      case 'answer-start':
        this.#skipLineBreaks();
        return this.#readGate(this.#place);
      case 'preamble':
        return this.#readPreamble();
      case 'reasoning':
        return this.#readUntil(this.#grammar.close, 'reasoning', 'answer-start');
      case 'tagged-start':
        this.#skipLineBreaks();
        return this.#moveOnText('tagged');
      case 'tagged':
        return this.#readUntil(this.#answerClose, 'answer', 'after-tagged');
      case 'after-tagged':
        return this.#held.trim() !== '' && this.#moveOnText('answer');
      case 'answer':
        return this.#readAnswer();
    }
  }

  /** White space, then either a tag that may stand here or other text. */
  #readGate(gate: Gate): boolean {
    const ways = this.#grammar.ways[gate];
    const text = this.#held.trimStart();
    const space = this.#held.length - text.length;
    const found = ways
      .filter(({ tag }) => text.startsWith(tag))
      .sort((a, b) => b.tag.length - a.tag.length)[0];
    const mayGrow = ways.some(({ tag }) => tag.length > text.length && tag.startsWith(text));
    if (mayGrow) return false;
    if (found === undefined) return this.#leaveForText(gate, space);
    this.#emit('delimiter', space + found.tag.length);
    this.#place = found.to;
    this.#signal = found.signal ?? this.#signal;
    this.#answerClose = found.answerClose ?? this.#answerClose;
    if (found.to === 'block-start' && gate !== 'block-start') this.#numBlocks++;
    return true;
  }

  #leaveForText(gate: Gate, space: number): boolean {
    if (gate === 'block-start') {
      this.#emit('delimiter', space);
      this.#place = 'reasoning';
      this.#thought = true;
      return true;
    }
    // Before an answer without any tag the white space is the model's own; after a preamble it is frame.
    this.#emit(gate === 'judged' ? 'delimiter' : 'answer', space);
    this.#place = 'answer';
    return true;
  }

  #readPreamble(): boolean {
    const before = this.#held.length;
    const text = this.#held;
    const closed = this.#readUntil(this.#grammar.preambleClose, 'preamble', 'judged');
    this.#preamble += text.slice(0, before - this.#held.length);
    if (closed) this.#signal = this.#lastVerdict() ?? this.#signal;
    return closed;
  }

  /** The verdict that comes last counts: what goes before may weigh the other. */
  #lastVerdict(): Verdict | null {
    let last = -1;
    let verdict: Verdict | null = null;
    for (const [words, meaning] of this.#grammar.verdicts) {
      const at = this.#preamble.lastIndexOf(words);
      if (at <= last) continue;
      last = at;
      verdict = meaning;
    }
    return verdict;
  }

  /** A section's text up to its close tag; the white space before the tag is frame. */
  #readUntil(close: string, section: Section, to: Place): boolean {
    const at = this.#held.indexOf(close);
    if (at >= 0) {
      const text = this.#held.slice(0, at).trimEnd().length;
      this.#emit(section, text);
      this.#emit('delimiter', at - text + close.length);
      this.#place = to;
      return true;
    }
    const certain = this.#held.length - heldSuffixLength(this.#held, [close]);
    this.#emit(section, this.#held.slice(0, certain).trimEnd().length);
    return false;
  }

  /** Answer text; tags that may stand anywhere in it are taken out. */
  #readAnswer(): boolean {
    const tags = this.#grammar.inlineTags;
    const found = findFirst(this.#held, tags);
    if (found !== undefined) {
      this.#emit('answer', found.index);
      this.#emit('delimiter', found.needle.length);
      return true;
    }
    this.#emit('answer', this.#held.length - heldSuffixLength(this.#held, tags));
    return false;
  }

  #skipLineBreaks(): void {
    this.#emit('delimiter', /^[\r\n]*/.exec(this.#held)?.[0].length ?? 0);
  }

  #moveOnText(to: Place): boolean {
    if (this.#held === '') return false;
    this.#place = to;
    return true;
  }

  #emit(section: Section, length = this.#held.length): void {
    if (length === 0) return;
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    const last = this.#pieces.at(-1);
    if (last?.section === section)
      this.#pieces[this.#pieces.length - 1] = { section, text: last.text + text };
    else this.#pieces.push({ section, text });
  }

  #copy(): SectionParser {
    const copy = new SectionParser(this.#protocol, 'outside');
    copy.#place = this.#place;
    copy.#answerClose = this.#answerClose;
    copy.#held = this.#held;
    copy.#preamble = this.#preamble;
    copy.#signal = this.#signal;
    copy.#thought = this.#thought;
    copy.#numBlocks = this.#numBlocks;
    return copy;
  }

  #take(): TextPiece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }
}

function isWords({ text }: TextPiece): boolean {
  return text.trim() !== '';
}
