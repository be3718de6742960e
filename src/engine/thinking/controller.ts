import type { Protocol } from '../../package/protocol.ts';
import { BlockCloser } from './block-closer.ts';
import type { Decision, Interventions, ThinkingEnd, ThinkingRequest } from './decision.ts';
import {
  type BiasedLogits,
  type BiasSource,
  biasedProbability,
  biasLogits,
  biasSource,
  totalBias,
} from './decision-bias.ts';
import { DecisionProbe } from './probe.ts';
import type { ProtocolTokens } from './protocol-tokens.ts';
import { SectionParser, type TokenSection } from './section-parser.ts';
import type { Region } from './section-place.ts';
import { type FilteredPieces, StopFilter } from './stop-filter.ts';
import { Utf8Stream } from './utf8-stream.ts';

export interface ControllerOptions {
  readonly protocol: Protocol;
  readonly tokens: ProtocolTokens;
  readonly request: ThinkingRequest;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** Absent: the answer may end at once, by what ends a turn alone. */
  readonly ending?: AnswerEnding;
  /** Whether the likeliest token is taken (temperature 0). */
  readonly greedy: boolean;
  /** Bytes of a token's text; empty for special tokens, which write none. */
  readonly tokenBytes: (tokenId: number) => Uint8Array;
}

/** Which tokens end an answer, and from when on. */
export interface AnswerEnding {
  readonly endOfTurn: ReadonlySet<number>;
  /** Tokens that end the answer beside the end of a turn. */
  readonly stopTokenIds: ReadonlySet<number>;
  /** Tokens of the answer before which neither of them can be drawn, and no stop string is looked for. */
  readonly minTokens: number;
}

/** What became known with one token. */
export interface AcceptedToken extends FilteredPieces {
  /** null while it is open what the text at hand belongs to; the next known section is then this token's too. */
  readonly section: TokenSection | null;
}

const NO_TEXT = new Uint8Array(0);

/** How the logits of the position at hand are to be changed before a token is sampled. */
export interface Adjustment {
  readonly banned: readonly number[];
  readonly steered: BiasedLogits | null;
}

/**
 * One sequence's thinking: reads the decision and leans on it where asked to, follows the text through its sections,
 * closes the thinking when it must end, and keeps stop strings to the answer. It sees token ids and logits and decides;
 * it runs nothing.
 */
export class ThinkingController {
  readonly #options: ControllerOptions;
  readonly #parser: SectionParser;
  readonly #closer: BlockCloser;
  readonly #stops: StopFilter;
  readonly #probe: DecisionProbe | null;
  readonly #utf8 = new Utf8Stream();
  readonly #counts: Record<TokenSection, number> = { preamble: 0, reasoning: 0, answer: 0 };
  #numOpen = 0;
  #steered: BiasedLogits | null = null;
  #steeredBy: BiasSource | null = null;
  #decision: Decision | null = null;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { request, tokens, protocol, maxTokens, stop } = options;
    const parser = new SectionParser(protocol, request.start);
    const utf8 = this.#utf8;
    this.#parser = parser;
    this.#closer = new BlockCloser({ tokens, request, maxTokens, parser, utf8 });
    this.#stops = new StopFilter(stop, request.stopInThinking === true);
    const measures = request.requested === 'auto' && tokens.probe !== null;
    this.#probe = measures && tokens.probe !== null ? new DecisionProbe(tokens.probe) : null;
    if (this.#knownFromPrompt()) this.#decide(this.#startsInAnswer ? 'fast' : 'think');
  }

  /** Most tokens in the block before the exit text. */
  get effectiveBudget(): number {
    return this.#closer.effectiveBudget;
  }

  /** The mode, once it is known. */
  get decision(): Decision | null {
    return this.#decision;
  }

  /** Generated tokens of the blocks, tags included; 0 for a direct answer. */
  get numReasoning(): number {
    return this.#decision?.mode === 'think' ? this.#counts.reasoning : 0;
  }

  /** Generated tokens of the preamble, tags included. */
  get numPreamble(): number {
    return this.#counts.preamble;
  }

  /** Why the thinking ended; null for a direct answer and while it goes on. */
  get thinkingEnd(): ThinkingEnd | null {
    if (this.#decision?.mode !== 'think' || !this.#parser.afterBlock) return null;
    return this.#closer.closedBy ?? 'natural';
  }

  /** What was done to the thinking, whatever ended it at last. */
  get interventions(): Interventions {
    const { closedBy, numExtensions } = this.#closer;
    return { extensions: numExtensions, loopBreaks: closedBy === 'loop' ? 1 : 0 };
  }

  get inAnswer(): boolean {
    return this.#parser.inAnswer;
  }

  /** Where the text stands. */
  get region(): Region {
    return this.#parser.region;
  }

  /** Text is held back that may be the beginning of a tag. */
  get holdsText(): boolean {
    return this.#parser.holdsText;
  }

  /** What a token would do where the text stands. */
  preview(tokenId: number): { readonly region: Region; readonly beginsAnswer: boolean } {
    return this.#parser.preview(new TextDecoder().decode(this.#options.tokenBytes(tokenId)));
  }

  /** The caller wants the answer now, or its time is short. @returns false when the model is at it already */
  answerNow(by: 'client' | 'deadline' = 'client'): boolean {
    if (this.#parser.inAnswer) return false;
    this.#closer.answerNow(by);
    return true;
  }

  /**
   * Reads p(think) when the sequence stands at its decision point. Call with raw logits, before sampling.
   * @returns what to change at this one position; null for nothing
   */
  observe(logits: Float32Array): Adjustment | null {
    const { request, tokens, greedy } = this.#options;
    const banned = this.#parser.inEmptyBlock
      ? (tokens.banFirst[request.requested] ?? [])
      : this.#bannedEnds();
    this.#steered = null;
    if (this.#probe !== null && this.#decision === null && this.#atDecision(this.#probe)) {
      const branch = this.#probe.read(logits);
      const { decisionBias } = request;
      if (branch !== null && decisionBias !== undefined)
        this.#steered = biasLogits(logits, branch, decisionBias, greedy);
    }
    if (this.#steered === null && banned.length === 0) return null;
    return { banned, steered: this.#steered };
  }

  /** The tokens that the variants of `observe` led to, in order; the last is the one that is taken. */
  sampled(tokenIds: readonly number[]): void {
    if (this.#steered !== null) this.#steeredBy = biasSource(this.#steered, tokenIds);
  }

  /** Next token to write instead of a sampled one, if there is one. */
  takeForced(): number | undefined {
    return this.#closer.takeForced();
  }

  /**
   * Looks at a sampled token before it is written. Inside the block the end of a turn is refused: an empty answer helps
   * nobody, so the block is closed and the answer asked for. Refused as well is what would break the budget, and
   * thinking where the mode rules it out.
   * @returns true when `takeForced` has another token for its place
   */
  refuses(tokenId: number, endsTurn: boolean): boolean {
    const { request, tokenBytes } = this.#options;
    const mustBeEmpty = request.requested === 'fast' || this.#decision?.mode === 'fast';
    return this.#closer.refuses(tokenBytes(tokenId), { endsTurn, mustBeEmpty });
  }

  /** Whether a token is one of the request's own that end the generation where it stands. It writes no text then. */
  stopsAt(tokenId: number): boolean {
    const { ending, request } = this.#options;
    const applies = !this.#inThinking || request.stopInThinking === true;
    return applies && ending?.stopTokenIds.has(tokenId) === true;
  }

  accept(tokenId: number): AcceptedToken {
    const { region, numBlocks } = this.#parser;
    const bytes = this.stopsAt(tokenId) ? NO_TEXT : this.#options.tokenBytes(tokenId);
    const text = this.#utf8.push(bytes);
    const mayEnd = this.#mayAnswerEnd;
    if (numBlocks === 0 && region !== 'answer') this.#closer.countBefore();
    this.#probe?.accept(tokenId, text.trim() === '');
    const sections = this.#parser.push(text);
    this.#closer.accept(tokenId, region === 'block');
    const { mode } = this.#parser;
    if (this.#decision === null && mode !== null) this.#decide(mode);
    const section = this.#sectionAfter(region);
    this.#count(section);
    return { section, ...this.#stops.push(sections, mayEnd) };
  }

  /** Text still held back, and a decision if none was reached, when nothing more will come. */
  finish(): FilteredPieces {
    const sections = [...this.#parser.push(this.#utf8.end()), ...this.#parser.end()];
    const { pieces, stop } = this.#stops.push(sections);
    const rest = stop === null ? this.#stops.end() : [];
    if (this.#decision === null) this.#decide(this.#parser.inBlock ? 'think' : 'fast');
    return { pieces: [...pieces, ...rest], stop };
  }

  get #startsInAnswer(): boolean {
    return this.#options.request.start.startsWith('answer');
  }

  /** In a block or a preamble: nothing of the answer is written yet. */
  get #inThinking(): boolean {
    const { region } = this.#parser;
    return region === 'block' || region === 'preamble';
  }

  /** Tokens on no known section yet turn out to be the answer's, or a tag follows and the count starts over. */
  get #mayAnswerEnd(): boolean {
    const least = this.#options.ending?.minTokens ?? 0;
    return this.#counts.answer + this.#numOpen >= least;
  }

  #bannedEnds(): readonly number[] {
    const { ending } = this.#options;
    if (ending === undefined || this.#inThinking || this.#mayAnswerEnd) return [];
    return [...ending.endOfTurn, ...ending.stopTokenIds];
  }

  #atDecision(probe: DecisionProbe): boolean {
    if (probe.isUnderWay) return true;
    const { by } = this.#options.protocol.decide;
    return by === 'control' ? this.#parser.atMarker : this.#parser.atBlockStart;
  }

  #sectionAfter(before: Region): TokenSection | null {
    const after = this.#parser.region;
    if (before === 'block' || after === 'block') return 'reasoning';
    if (before === 'preamble' || after === 'preamble') return 'preamble';
    return after === 'answer' ? 'answer' : null;
  }

  #count(section: TokenSection | null): void {
    this.#numOpen++;
    if (section === null) return;
    this.#counts[section] += this.#numOpen;
    this.#numOpen = 0;
  }

  /** A mode whose tags are already in the prompt cannot turn out otherwise. */
  #knownFromPrompt(): boolean {
    const { requested, start } = this.#options.request;
    return this.#startsInAnswer || (requested === 'think' && start === 'block');
  }

  #decide(mode: 'think' | 'fast'): void {
    const { request, greedy } = this.#options;
    const { requested, source, decisionBias } = request;
    const measured = this.#probe?.measurement ?? null;
    const pThink = measured?.pThink ?? null;
    const lean = decisionBias === undefined ? null : totalBias(decisionBias);
    this.#decision = {
      requested,
      mode,
      source: requested === mode ? source : this.#chosenBy(mode),
      pThink,
      pThinkBiased:
        pThink === null || lean === null ? pThink : biasedProbability(pThink, lean, greedy),
      residual: measured?.residual ?? null,
    };
  }

  /** Who made the choice where the request left it open, or did not get what it asked for. */
  #chosenBy(mode: 'think' | 'fast'): Decision['source'] {
    if (this.#startsInAnswer) return 'prompt';
    const { closedBy, endedPreamble, wasAsked } = this.#closer;
    // Closed before the model showed a choice: whatever the exit text makes of the block is the closer's doing.
    if (closedBy === 'client' || (endedPreamble && wasAsked)) return 'request';
    if (isLimit(closedBy) || endedPreamble) return 'budget';
    if (this.#steeredBy !== null) return this.#steeredBy;
    return this.#options.request.softSwitch === mode ? 'prompt' : 'model';
  }
}

function isLimit(closedBy: ThinkingEnd | null): boolean {
  return closedBy === 'budget' || closedBy === 'max_tokens' || closedBy === 'deadline';
}
