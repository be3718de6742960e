import type { DecidedMode } from '../../package/protocol.ts';
import { findFirst, heldSuffixLength } from './hold-back.ts';
import type {
  ParserState,
  ProtocolGrammar,
  StartState,
  TagState,
  TagTransition,
} from './protocol-grammar.ts';

/**
 * Where in the generated text something stands. `delimiter` is protocol text: tags, control strings and the white space
 * that belongs to them. In the `preamble` some families weigh the question before they think or answer.
 */
export type Section = 'preamble' | 'reasoning' | 'answer' | 'delimiter';

/** Section that a token counts for. A tag counts for the section that it opens or closes. */
export type TokenSection = Exclude<Section, 'delimiter'>;

export interface TextPiece {
  readonly section: Section;
  readonly text: string;
}

/** Section that the text of each state belongs to; null where a tag may still decide that. */
const SECTION_OF: Readonly<Record<ParserState, TokenSection | null>> = {
  outside: null,
  'after-preamble': null,
  'answer-start': null,
  preamble: 'preamble',
  'block-start': 'reasoning',
  reasoning: 'reasoning',
  answer: 'answer',
  'tagged-start': 'answer',
  tagged: 'answer',
  'after-tagged': 'answer',
};

/** All that the next text depends on. */
interface Position {
  state: ParserState;
  /** Text whose section later text may still change. */
  held: string;
  answerClose: string;
}

/** One transition: lengths of the text that is certain now, in order, and the state after it. */
interface Step {
  readonly cuts: readonly (readonly [section: Section, length: number])[];
  /** null: more text is needed to leave the state. */
  readonly to: ParserState | null;
  readonly tag?: TagTransition;
}

const WAIT: Step = { cuts: [], to: null };

/**
 * Divides the text of a model into preamble, reasoning, answer and delimiters while it streams. It emits text once no
 * later text can change its section. All pieces together are the model's text, byte for byte.
 *
 * An empty block, or none at all, is a direct answer. Tags count before the text and right after a block: a model that
 * opens its block again goes back into it, and a close tag that was never opened is a delimiter. Inside an answer, tags
 * are text of the answer.
 */
export class SectionParser {
  readonly #grammar: ProtocolGrammar;
  readonly #at: Position;
  #preamble = '';
  #announced: DecidedMode | null = null;
  #thought = false;
  /** Blocks opened so far, including one that the prompt opened. */
  numBlocks: number;
  #pieces: TextPiece[] = [];

  /** @param start state in which the prompt leaves the text */
  constructor(grammar: ProtocolGrammar, start: StartState) {
    this.#grammar = grammar;
    this.#at = { state: start, held: '', answerClose: this.#grammar.directAnswerClose };
    this.numBlocks = start === 'block-start' ? 1 : 0;
  }

  get state(): ParserState {
    return this.#at.state;
  }

  /** Section that the text stands in; null where a tag may still decide that. An open block is reasoning. */
  get section(): TokenSection | null {
    return SECTION_OF[this.#at.state];
  }

  /** The block is closed, and none has been opened since. */
  get afterBlock(): boolean {
    return this.#at.state === 'answer-start' || this.section === 'answer';
  }

  /** Mode that the text shows; null while it shows neither. */
  get mode(): DecidedMode | null {
    if (this.#thought || this.#announced === 'think') return 'think';
    return this.section === 'answer' ? 'fast' : null;
  }

  /**
   * Where the next token may decide the mode: at the very start of a block or, with control strings, at the start of the
   * text, after the preamble if the protocol has one.
   */
  get atDecision(): boolean {
    const { hasPreamble, decidesByControl } = this.#grammar;
    const { state, held } = this.#at;
    if (!decidesByControl) return state === 'block-start' && held === '';
    return state === (hasPreamble ? 'after-preamble' : 'outside') && !this.holdsText;
  }

  /** Text is held back that may be the beginning of a tag. */
  get holdsText(): boolean {
    return hasWords(this.#at.held);
  }

  /** Whether a text would begin the answer with more than white space. Changes nothing. */
  beginsAnswer(text: string): boolean {
    let { state, held, answerClose } = this.#at;
    held += text;
    for (;;) {
      const step = stepFrom(this.#grammar, { state, held, answerClose });
      for (const [section, length] of step.cuts) {
        if (section === 'answer' && hasWords(held.slice(0, length))) return true;
        held = held.slice(length);
      }
      if (step.to === null) return SECTION_OF[state] === 'answer' && hasWords(held);
      state = step.to;
      answerClose = step.tag?.answerClose ?? answerClose;
    }
  }

  /** Takes text. @returns the text that is certain now */
  push(text: string): TextPiece[] {
    this.#at.held += text;
    while (this.#take(stepFrom(this.#grammar, this.#at)));
    return this.#flush();
  }

  /** What a text would do to the open block: close it, leave it empty, or put words into it. */
  peek(text: string): 'closes' | 'blank' | 'words' {
    const { open, close } = this.#grammar;
    const next = this.#at.held + text;
    if (this.#at.state === 'reasoning') return next.includes(close) ? 'closes' : 'words';
    const start = next.trimStart();
    if (start.startsWith(close)) return 'closes';
    return close.startsWith(start) || open.startsWith(start) ? 'blank' : 'words';
  }

  /** Ends the text. @returns what was held back */
  end(): TextPiece[] {
    const { section } = this;
    const { state } = this.#at;
    const mayPrecedeTag = section === null || state === 'block-start' || state === 'after-tagged';
    this.#emit(mayPrecedeTag && !this.holdsText ? 'delimiter' : (section ?? 'answer'));
    return this.#flush();
  }

  /** @returns false when more text is needed */
  #take({ cuts, to, tag }: Step): boolean {
    const from = this.#at.state;
    for (const [section, length] of cuts) {
      if (from === 'preamble') this.#preamble += this.#at.held.slice(0, length);
      this.#emit(section, length);
    }
    if (to === null) return false;
    this.#at.state = to;
    if (from === 'preamble') this.#announced = this.#lastVerdict() ?? this.#announced;
    if (from === 'block-start' && to === 'reasoning') this.#thought = true;
    if (from !== 'block-start' && to === 'block-start') this.numBlocks++;
    this.#announced = tag?.mode ?? this.#announced;
    this.#at.answerClose = tag?.answerClose ?? this.#at.answerClose;
    return true;
  }

  /** The last verdict counts: text before it may consider the other mode. */
  #lastVerdict(): DecidedMode | null {
    let last = -1;
    let verdict: DecidedMode | null = null;
    for (const [words, mode] of this.#grammar.verdicts) {
      const at = this.#preamble.lastIndexOf(words);
      if (at <= last) continue;
      last = at;
      verdict = mode;
    }
    return verdict;
  }

  #emit(section: Section, length = this.#at.held.length): void {
    if (length === 0) return;
    const text = this.#at.held.slice(0, length);
    this.#at.held = this.#at.held.slice(length);
    const last = this.#pieces.at(-1);
    if (last?.section === section)
      this.#pieces[this.#pieces.length - 1] = { section, text: last.text + text };
    else this.#pieces.push({ section, text });
  }

  #flush(): TextPiece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }
}

/** The next transition. Pure. */
function stepFrom(grammar: ProtocolGrammar, { state, held, answerClose }: Position): Step {
  switch (state) {
    case 'outside':
    case 'after-preamble':
    case 'block-start':
    case 'answer-start':
      return readTag(grammar, state, held);
    case 'preamble':
      return readUntil(held, grammar.preambleClose, { section: 'preamble', to: 'after-preamble' });
    case 'reasoning':
      return readUntil(held, grammar.close, { section: 'reasoning', to: 'answer-start' });
    case 'tagged-start': {
      const breaks = numLineBreaks(held);
      return { cuts: [['delimiter', breaks]], to: held.length > breaks ? 'tagged' : null };
    }
    case 'tagged':
      return readUntil(held, answerClose, { section: 'answer', to: 'after-tagged' });
    case 'after-tagged':
      return hasWords(held) ? { cuts: [], to: 'answer' } : WAIT;
    case 'answer':
      return readAnswer(held, grammar.inlineTags);
  }
}

/** White space, then either a tag that may stand here or other text. */
function readTag(grammar: ProtocolGrammar, state: TagState, held: string): Step {
  const breaks = state === 'answer-start' ? numLineBreaks(held) : 0;
  const text = held.trimStart();
  const space = held.length - text.length - breaks;
  const skipped = ['delimiter', breaks] as const;
  let found: TagTransition | undefined;
  for (const transition of grammar.transitions[state]) {
    const { tag } = transition;
    if (tag.length > text.length && tag.startsWith(text)) return { cuts: [skipped], to: null };
    if (text.startsWith(tag) && tag.length > (found?.tag.length ?? 0)) found = transition;
  }
  if (found !== undefined) {
    return { cuts: [skipped, ['delimiter', space + found.tag.length]], to: found.to, tag: found };
  }
  if (state === 'block-start') return { cuts: [['delimiter', space]], to: 'reasoning' };
  // Before an answer without any tag the white space is the model's own; after a preamble it is a delimiter.
  const section = state === 'after-preamble' ? 'delimiter' : 'answer';
  return { cuts: [skipped, [section, space]], to: 'answer' };
}

/** A section's text up to its close tag. The white space before the tag is a delimiter. */
function readUntil(
  held: string,
  close: string,
  { section, to }: { readonly section: Section; readonly to: ParserState },
): Step {
  const at = held.indexOf(close);
  if (at < 0) {
    const certain = held.length - heldSuffixLength(held, [close]);
    return { cuts: [[section, held.slice(0, certain).trimEnd().length]], to: null };
  }
  const length = held.slice(0, at).trimEnd().length;
  const cuts = [[section, length] as const, ['delimiter', at - length + close.length] as const];
  return { cuts, to };
}

/** Text of the answer. Tags that may stand anywhere in it are delimiters. */
function readAnswer(held: string, tags: readonly string[]): Step {
  const found = findFirst(held, tags);
  if (found === undefined) {
    return { cuts: [['answer', held.length - heldSuffixLength(held, tags)]], to: null };
  }
  const { index, needle } = found;
  return {
    cuts: [
      ['answer', index],
      ['delimiter', needle.length],
    ],
    to: 'answer',
  };
}

function numLineBreaks(text: string): number {
  return /^[\r\n]*/.exec(text)?.[0].length ?? 0;
}

function hasWords(text: string): boolean {
  return text.trim() !== '';
}
