import type { ThinkingEnd, ThinkingRequest } from './decision.ts';
import { LoopDetector } from './loop-detector.ts';
import type { ProtocolTokens } from './protocol-tokens.ts';
import type { SectionParser } from './section-parser.ts';
import type { Utf8Stream } from './utf8-stream.ts';

export interface BlockCloserOptions {
  readonly tokens: ProtocolTokens;
  readonly request: ThinkingRequest;
  readonly maxTokens: number;
  readonly parser: SectionParser;
  readonly utf8: Utf8Stream;
}

/**
 * Decides when thinking ends otherwise than by the model's own will, and what is written then. The budget is exact: no
 * token is sampled in a block beyond it, and a character that could not be finished within it is not begun, so it may
 * be up to three tokens less.
 */
export class BlockCloser {
  readonly #options: BlockCloserOptions;
  readonly #loops: LoopDetector | null;
  readonly #forced: number[] = [];
  #closedBy: ThinkingEnd | null = null;
  /** The block whose exit text is written, or was; 0 for none. */
  #closedBlock = 0;
  #preambleEnded = false;
  #askedBy: 'client' | 'deadline' | null = null;
  #extensionsLeft: number;
  #numGenerated = 0;
  #numBefore = 0;
  #numThinking = 0;

  constructor(options: BlockCloserOptions) {
    this.#options = options;
    this.#extensionsLeft = options.request.extensions ?? 0;
    this.#loops = options.request.breakLoops === true ? new LoopDetector() : null;
  }

  /** What closed the thinking in the model's place. */
  get closedBy(): ThinkingEnd | null {
    return this.#closedBy;
  }

  /** Most tokens in the block before the exit text. */
  get effectiveBudget(): number {
    const { request, maxTokens } = this.#options;
    const room = maxTokens - this.#numBefore - request.answerFloor - this.#exit.length;
    return Math.min(request.budget ?? Number.POSITIVE_INFINITY, Math.max(0, room));
  }

  /** The answer is wanted: the thinking ends with the next token, or as soon as it begins. */
  answerNow(by: 'client' | 'deadline'): void {
    this.#askedBy ??= by;
  }

  /** Times the thinking was prolonged. */
  get numExtensions(): number {
    return (this.#options.request.extensions ?? 0) - this.#extensionsLeft;
  }

  /** Next token to write instead of a sampled one, if there is one. */
  takeForced(): number | undefined {
    if (this.#forced.length === 0) this.#closeWhatMustEnd();
    return this.#forced.shift();
  }

  /**
   * Looks at a sampled token before it is written.
   * @param bytes what it would write
   * @param rules whether it is an end of the turn, and whether the block must stay without a word
   * @returns true when something else is written in its place
   */
  refuses(
    bytes: Uint8Array,
    rules: { readonly endsTurn: boolean; readonly mustBeEmpty: boolean },
  ): boolean {
    const { parser } = this.#options;
    if (parser.region === 'preamble') return rules.endsTurn && this.#endPreamble();
    if (!parser.inBlock || this.#isClosed) return false;
    if (rules.endsTurn) return this.#extend() || this.#close('stop');
    const effect = parser.peek(new TextDecoder().decode(bytes));
    if (effect === 'closes') return this.#extend();
    if (rules.mustBeEmpty && effect === 'words') return this.#close('budget');
    return !this.#fits(bytes) && this.#close(this.#limit);
  }

  /** Counts a token that was written; `wasInBlock` is where the text stood before it. */
  accept(tokenId: number, wasInBlock: boolean): void {
    const { parser } = this.#options;
    this.#numGenerated++;
    if (wasInBlock && !this.#isClosed) {
      this.#numThinking++;
      this.#loops?.push(tokenId);
    } else if (!wasInBlock && parser.place === 'reasoning') this.#numThinking++;
  }

  /** Counts a token that came before any block. */
  countBefore(): void {
    this.#numBefore++;
  }

  /** The open block's exit text is on its way, or did not close it. */
  get #isClosed(): boolean {
    return this.#closedBlock === this.#options.parser.numBlocks && this.#closedBlock > 0;
  }

  /** What is written where the thinking is ended. */
  get #exit(): readonly number[] {
    const { request, tokens } = this.#options;
    return request.exit ?? tokens.exit;
  }

  get #askedLeft(): number {
    return (this.#options.request.budget ?? Number.POSITIVE_INFINITY) - this.#numThinking;
  }

  get #roomLeft(): number {
    const { request, maxTokens } = this.#options;
    return maxTokens - this.#numGenerated - request.answerFloor - this.#exit.length;
  }

  get #limit(): ThinkingEnd {
    return this.#askedLeft <= this.#roomLeft ? 'budget' : 'max_tokens';
  }

  /** Whether the bytes leave no character that could not be finished, with at least one byte a token. */
  #fits(bytes: Uint8Array): boolean {
    const left = Math.min(this.#askedLeft, this.#roomLeft) - 1;
    return this.#options.utf8.missingAfter(bytes) <= left;
  }

  #closeWhatMustEnd(): void {
    const { parser, request, tokens, utf8 } = this.#options;
    if (parser.region === 'preamble') {
      const left = this.#options.maxTokens - this.#numGenerated;
      const spent = left <= request.answerFloor + tokens.preambleExit.length;
      if ((spent || this.#askedBy !== null) && !utf8.insideCharacter) this.#endPreamble();
      return;
    }
    if (!parser.inBlock || this.#isClosed) return;
    const end = this.#dueEnd();
    if (end !== null) this.#close(end);
  }

  #dueEnd(): ThinkingEnd | null {
    // Opened again after it was closed for the model: what was spent stays spent.
    if (this.#closedBy !== null) return this.#closedBy;
    if (Math.min(this.#askedLeft, this.#roomLeft) <= 0) return this.#limit;
    if (this.#options.utf8.insideCharacter) return null;
    if (this.#askedBy !== null) return this.#askedBy;
    return this.#loops?.found === true ? 'loop' : null;
  }

  /** @returns true: something is written now */
  #close(by: ThinkingEnd): true {
    const { tokens, parser } = this.#options;
    this.#forced.push(...(this.#closedBy === null ? this.#exit : tokens.close));
    this.#closedBy ??= by;
    this.#closedBlock = parser.numBlocks;
    return true;
  }

  /** Writes the extension instead of the model's own end, if one is left and it fits the budget. */
  #extend(): boolean {
    const { parser, request, tokens } = this.#options;
    const { length } = tokens.extension;
    const left = Math.min(this.#askedLeft, this.#roomLeft);
    const thinks = parser.mode === 'think' || request.requested === 'think';
    if (this.#extensionsLeft < 1 || length === 0 || !thinks || left <= length) return false;
    this.#extensionsLeft--;
    this.#forced.push(...tokens.extension);
    return true;
  }

  #endPreamble(): boolean {
    if (this.#preambleEnded) return false;
    this.#preambleEnded = true;
    this.#forced.push(...this.#options.tokens.preambleExit);
    return this.#forced.length > 0;
  }

  /** The preamble was ended in the model's place. */
  get endedPreamble(): boolean {
    return this.#preambleEnded;
  }

  /** The caller wanted the answer. */
  get wasAsked(): boolean {
    return this.#askedBy === 'client';
  }
}
