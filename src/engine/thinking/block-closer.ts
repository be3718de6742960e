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

/** What the place of a sampled token asks of it. */
export interface TokenRules {
  readonly endsTurn: boolean;
  /** The block must stay empty. */
  readonly mustBeEmpty: boolean;
}

const DECODER = new TextDecoder();

/**
 * Ends the thinking where the model does not, and says what is written then. The budget is exact: no token of a block is
 * sampled beyond it. A character that could not be finished within the budget is not begun, so a block may end up to
 * three tokens earlier. Also extends the thinking where the request asks for it (budget forcing, s1, arXiv 2501.19393).
 */
export class BlockCloser {
  readonly #options: BlockCloserOptions;
  readonly #loops: LoopDetector | null;
  readonly #forced: number[] = [];
  /** Why the engine closed the thinking; null while the model closes it itself. */
  closedBy: ThinkingEnd | null = null;
  /** Block whose exit text is or was written; 0 for none. */
  #closedBlock = 0;
  /** The engine ended the preamble. */
  endedPreamble = false;
  /** What asked for the answer with the next token; null while nothing has. */
  askedBy: 'client' | 'deadline' | null = null;
  /** Number of extensions written. */
  numExtensions = 0;
  /** Text that ends the thinking. */
  readonly #exit: readonly number[];
  #numGenerated = 0;
  #numBefore = 0;
  #numThinking = 0;

  constructor(options: BlockCloserOptions) {
    this.#options = options;
    this.#exit = options.request.exit ?? options.tokens.exit;
    this.#loops = options.request.breakLoops === true ? new LoopDetector() : null;
  }

  /** Most tokens in the block before the exit text. */
  get effectiveBudget(): number {
    const { request, maxTokens } = this.#options;
    const room = maxTokens - this.#numBefore - request.answerFloor - this.#exit.length;
    return Math.min(request.budget ?? Number.POSITIVE_INFINITY, Math.max(0, room));
  }

  /** Ends the thinking with the next token, or as soon as it begins. */
  answerNow(by: 'client' | 'deadline'): void {
    this.askedBy ??= by;
  }

  /** Next token to write instead of a sampled one; undefined where the model goes on. */
  takeForced(): number | undefined {
    if (this.#forced.length === 0) this.#closeWhatMustEnd();
    return this.#forced.shift();
  }

  /**
   * Checks a sampled token before it is written.
   * @param bytes text of the token
   * @returns the first token to write in its place; undefined where it may stand
   */
  replace(bytes: Uint8Array, rules: TokenRules): number | undefined {
    return this.#rejects(bytes, rules) ? this.takeForced() : undefined;
  }

  /** Counts a token that was written. @param wasInBlock whether the text stood in a block before it */
  accept(tokenId: number, wasInBlock: boolean): void {
    const { parser } = this.#options;
    this.#numGenerated++;
    if (wasInBlock && !this.#isClosed) {
      this.#numThinking++;
      this.#loops?.push(tokenId);
    } else if (!wasInBlock && parser.state === 'reasoning') this.#numThinking++;
  }

  /** Counts a token that came before any block. */
  countBefore(): void {
    this.#numBefore++;
  }

  /** @returns true when something else is written in place of the token */
  #rejects(bytes: Uint8Array, { endsTurn, mustBeEmpty }: TokenRules): boolean {
    const { parser } = this.#options;
    if (parser.section === 'preamble') return endsTurn && this.#endPreamble();
    if (parser.section !== 'reasoning' || this.#isClosed) return false;
    if (endsTurn) return this.#extend() || this.#close('stop');
    const effect = parser.peek(DECODER.decode(bytes));
    if (effect === 'closes') return this.#extend();
    if (mustBeEmpty && effect === 'words') return this.#close('budget');
    return !this.#fits(bytes) && this.#close(this.#limit);
  }

  /** The open block's exit text is on its way, or did not close it. */
  get #isClosed(): boolean {
    return this.#closedBlock === this.#options.parser.numBlocks && this.#closedBlock > 0;
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

  /** Whether the budget left can finish the last character of the bytes, at one byte a token. */
  #fits(bytes: Uint8Array): boolean {
    const left = Math.min(this.#askedLeft, this.#roomLeft) - 1;
    return this.#options.utf8.missingAfter(bytes) <= left;
  }

  #closeWhatMustEnd(): void {
    const { parser, request, tokens, utf8 } = this.#options;
    if (parser.section === 'preamble') {
      const left = this.#options.maxTokens - this.#numGenerated;
      const spent = left <= request.answerFloor + tokens.preambleExit.length;
      if ((spent || this.askedBy !== null) && !utf8.insideCharacter) this.#endPreamble();
      return;
    }
    if (parser.section !== 'reasoning' || this.#isClosed) return;
    const end = this.#endThatIsDue();
    if (end !== null) this.#close(end);
  }

  #endThatIsDue(): ThinkingEnd | null {
    // The model opened the block again after the engine had closed it: the budget stays spent.
    if (this.closedBy !== null) return this.closedBy;
    if (Math.min(this.#askedLeft, this.#roomLeft) <= 0) return this.#limit;
    if (this.#options.utf8.insideCharacter) return null;
    if (this.askedBy !== null) return this.askedBy;
    return this.#loops?.found === true ? 'loop' : null;
  }

  /** Queues the exit text. @returns true */
  #close(by: ThinkingEnd): true {
    const { tokens, parser } = this.#options;
    this.#forced.push(...(this.closedBy === null ? this.#exit : tokens.close));
    this.closedBy ??= by;
    this.#closedBlock = parser.numBlocks;
    return true;
  }

  /** Queues the extension in place of the model's own end, if one is left and fits the budget. */
  #extend(): boolean {
    const { parser, request, tokens } = this.#options;
    const { length } = tokens.extension;
    const left = Math.min(this.#askedLeft, this.#roomLeft);
    const thinks = parser.mode === 'think' || request.requested === 'think';
    if (
      this.numExtensions >= (request.extensions ?? 0) ||
      length === 0 ||
      !thinks ||
      left <= length
    )
      return false;
    this.numExtensions++;
    this.#forced.push(...tokens.extension);
    return true;
  }

  #endPreamble(): boolean {
    if (this.endedPreamble) return false;
    this.endedPreamble = true;
    this.#forced.push(...this.#options.tokens.preambleExit);
    return this.#forced.length > 0;
  }
}
