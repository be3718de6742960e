import { argmax } from '../sampling/logprobs.ts';
import type { TokenConstraint } from '../token-constraint.ts';
import { AnswerGuard } from './answer-guard.ts';
import { BlockCloser } from './block-closer.ts';
import type { Decision, Interventions, ThinkingEnd, ThinkingRequest } from './decision.ts';
import { outcomeOf } from './decision-bias.ts';
import { DecisionMaker } from './decision-maker.ts';
import type { ProbeTree } from './probe.ts';
import type { ProtocolGrammar } from './protocol-grammar.ts';
import type { ProtocolTokens } from './protocol-tokens.ts';
import { SectionParser, type TokenSection } from './section-parser.ts';
import { type FilteredPieces, StopFilter } from './stop-filter.ts';
import { Utf8Stream } from './utf8-stream.ts';

export interface ControllerOptions {
  readonly grammar: ProtocolGrammar;
  readonly tokens: ProtocolTokens;
  /** The tokens' `probe` as a tree. */
  readonly probe: ProbeTree | null;
  readonly request: ThinkingRequest;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly ending: AnswerEnding;
  /** Constraint on the answer; null for a free one. */
  readonly constraint: TokenConstraint | null;
  /** True at temperature 0. */
  readonly greedy: boolean;
  /** Bytes of a token's text; empty for special tokens, which write none. */
  readonly tokenBytes: (tokenId: number) => Uint8Array;
}

/** Which tokens end an answer, and from which length on. */
export interface AnswerEnding {
  readonly endOfTurn: ReadonlySet<number>;
  /** The request's own tokens that end the answer. */
  readonly stopTokenIds: ReadonlySet<number>;
  /** Length of the answer in tokens before which neither kind can be sampled and no stop string is searched. */
  readonly minTokens: number;
}

/** Draws tokens from logits; `Sampler` is the implementation. */
export interface TokenSampler {
  sample(logits: Float32Array): number;
  /** One draw, applied to several versions of the logits. */
  sampleTogether(
    versions: readonly Float32Array[],
    group: (tokenId: number) => number,
  ): readonly number[];
}

/** A token and what became known with it. */
export interface NextToken extends FilteredPieces {
  readonly tokenId: number;
  /** Written by the engine, not sampled. */
  readonly forced: boolean;
  /** null while it is open which section the text belongs to; the next known section is then this token's too. */
  readonly section: TokenSection | null;
  /** The token ends the generation: the end of the turn, or a stop token of the request. */
  readonly isEnd: boolean;
}

/** What the engine reports of a thinking when the generation ends. */
export interface ThinkingSummary {
  /** Most tokens in the block before the exit text. */
  readonly effectiveBudget: number;
  /** Generated tokens of the blocks, tags included; 0 for a direct answer. */
  readonly numReasoning: number;
  /** Generated tokens of the preamble, tags included. */
  readonly numPreamble: number;
  /** Why the thinking ended; null for a direct answer and while the thinking goes on. */
  readonly thinkingEnd: ThinkingEnd | null;
  /** Interventions in the thinking, whatever ended it. */
  readonly interventions: Interventions;
}

const NO_TEXT = new Uint8Array(0);
const NONE: readonly number[] = [];
const DECODER = new TextDecoder();

/**
 * Thinking of one sequence. It chooses each token: it reads and biases the decision, bans tokens that may not come yet,
 * writes forced tokens where the thinking must end, and holds the answer to its constraint. It also follows the text
 * through its sections and searches the answer for stop strings. It sees token ids and logits and runs no model.
 */
export class ThinkingController {
  readonly #options: ControllerOptions;
  readonly #parser: SectionParser;
  readonly #closer: BlockCloser;
  readonly #decisions: DecisionMaker;
  readonly #guard: AnswerGuard | null;
  /** null without stop strings. */
  readonly #stops: StopFilter | null;
  readonly #utf8 = new Utf8Stream();
  readonly #counts: Record<TokenSection, number> = { preamble: 0, reasoning: 0, answer: 0 };
  /** Tokens whose section is still open. */
  #numOpen = 0;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { request, tokens, grammar, probe, maxTokens, stop, greedy, constraint } = options;
    const parser = new SectionParser(grammar, request.start);
    const closer = new BlockCloser({ tokens, request, maxTokens, parser, utf8: this.#utf8 });
    this.#parser = parser;
    this.#closer = closer;
    this.#decisions = new DecisionMaker({ request, probe, greedy, parser, closer });
    const beginsAnswer = (id: number): boolean =>
      parser.beginsAnswer(DECODER.decode(options.tokenBytes(id)));
    this.#guard = constraint === null ? null : new AnswerGuard(constraint, parser, beginsAnswer);
    this.#stops = stop.length === 0 ? null : new StopFilter(stop, request.stopInThinking === true);
  }

  /** null while the mode is unknown. */
  get decision(): Decision | null {
    return this.#decisions.decision;
  }

  /** The thinking so far, for the report of a generation that ends. */
  summary(): ThinkingSummary {
    const { closedBy, numExtensions, effectiveBudget } = this.#closer;
    const thinks = this.decision?.mode === 'think';
    return {
      effectiveBudget,
      numReasoning: thinks ? this.#counts.reasoning : 0,
      numPreamble: this.#counts.preamble,
      thinkingEnd: thinks && this.#parser.afterBlock ? (closedBy ?? 'natural') : null,
      interventions: { extensions: numExtensions, loopBreaks: closedBy === 'loop' ? 1 : 0 },
    };
  }

  get inAnswer(): boolean {
    return this.#parser.section === 'answer';
  }

  /**
   * Ends the thinking with the next token, or as soon as it begins.
   * @returns false when the text is already at its answer
   */
  answerNow(by: 'client' | 'deadline' = 'client'): boolean {
    if (this.inAnswer) return false;
    this.#closer.answerNow(by);
    return true;
  }

  /**
   * Chooses the next token and follows the text past it.
   *
   * In order: read the decision, write a forced token if there is one, else sample with bans, bias and constraint, and
   * replace a sampled token that may not stand. Inside the block an end of turn is replaced, because it would leave the
   * answer empty; so is a token that would exceed the budget, and thinking that the mode rules out.
   * @param logits float32 [vocabSize], raw; left unchanged
   * @throws Error when the constraint cannot be upheld or no logit is finite
   */
  next(logits: Float32Array, sampler: TokenSampler): NextToken {
    const banned = this.#bannedTokens();
    const biased = this.#decisions.read(logits);
    const forced = this.#closer.takeForced();
    if (forced !== undefined) return this.#accept(forced, true);
    const draw = (from: Float32Array): number => {
      if (biased === null)
        return sampler.sample(banned.length === 0 ? from : unlessNoneIsLeft(from, banned));
      const variants = biased.variants.map((variant) => without(variant, banned));
      const ids = sampler.sampleTogether(variants, (id) => outcomeOf(biased.branch, id));
      this.#decisions.sampled(ids);
      return ids.at(-1) ?? -1;
    };
    const sampled = this.#guard?.choose(logits, draw, (id) => this.#isEnd(id)) ?? draw(logits);
    const replacement = this.#replacementOf(sampled);
    return this.#accept(replacement ?? sampled, replacement !== undefined);
  }

  /** Ends the text. @returns text that was still held back; decides the mode if nothing has */
  finish(): FilteredPieces {
    const sections = [...this.#parser.push(this.#utf8.end()), ...this.#parser.end()];
    this.#decisions.finish();
    if (this.#stops === null) return { pieces: sections, stop: null };
    const { pieces, stop } = this.#stops.push(sections);
    const rest = stop === null ? this.#stops.end() : [];
    return { pieces: [...pieces, ...rest], stop };
  }

  #accept(tokenId: number, forced: boolean): NextToken {
    const { section: before, numBlocks } = this.#parser;
    const isStop = this.#isStopToken(tokenId);
    const isEnd = isStop || this.#options.ending.endOfTurn.has(tokenId);
    // Forced text is no part of the answer, though it may open the answer's tags.
    const guard = forced || isEnd ? null : this.#guard;
    const begins = guard !== null && before === null && guard.beginsAnswer(tokenId);
    const text = this.#utf8.push(isStop ? NO_TEXT : this.#options.tokenBytes(tokenId));
    const mayEnd = this.#mayAnswerEnd;
    if (numBlocks === 0 && before !== 'answer') this.#closer.countBefore();
    const sections = this.#parser.push(text);
    this.#closer.accept(tokenId, before === 'reasoning');
    this.#decisions.follow(tokenId, text.trim() === '');
    const section = this.#sectionAfter(before);
    this.#numOpen++;
    if (section !== null) {
      this.#counts[section] += this.#numOpen;
      this.#numOpen = 0;
    }
    guard?.accept(tokenId, before, begins);
    const filtered = this.#stops?.push(sections, mayEnd) ?? { pieces: sections, stop: null };
    return { tokenId, forced, section, isEnd, ...filtered };
  }

  /** Forced token in place of a sampled one that may not stand. */
  #replacementOf(tokenId: number): number | undefined {
    const { request, ending, tokenBytes } = this.#options;
    return this.#closer.replace(tokenBytes(tokenId), {
      endsTurn: ending.endOfTurn.has(tokenId),
      mustBeEmpty: request.requested === 'fast' || this.decision?.mode === 'fast',
    });
  }

  #isEnd(tokenId: number): boolean {
    return this.#options.ending.endOfTurn.has(tokenId) || this.#isStopToken(tokenId);
  }

  /** The token is a stop token of the request, and applies where the text stands. It writes no text then. */
  #isStopToken(tokenId: number): boolean {
    const { ending, request } = this.#options;
    if (!ending.stopTokenIds.has(tokenId)) return false;
    return !this.#inThinking || request.stopInThinking === true;
  }

  /** In a block or a preamble: nothing of the answer is written yet. */
  get #inThinking(): boolean {
    const { section } = this.#parser;
    return section === 'reasoning' || section === 'preamble';
  }

  /** Tokens of an open section turn out to be the answer's, or a tag follows and the count starts over. */
  get #mayAnswerEnd(): boolean {
    return this.#counts.answer + this.#numOpen >= this.#options.ending.minTokens;
  }

  #bannedTokens(): readonly number[] {
    const { request, tokens, ending } = this.#options;
    if (this.#parser.state === 'block-start') return tokens.banFirst[request.requested] ?? NONE;
    if (this.#inThinking || this.#mayAnswerEnd) return NONE;
    return [...ending.endOfTurn, ...ending.stopTokenIds];
  }

  #sectionAfter(before: TokenSection | null): TokenSection | null {
    const after = this.#parser.section;
    if (before === 'reasoning' || after === 'reasoning') return 'reasoning';
    if (before === 'preamble' || after === 'preamble') return 'preamble';
    return after;
  }
}

/** Logits without the banned tokens, unless nothing else is left: a constraint may ask for an end before `minTokens`. */
function unlessNoneIsLeft(logits: Float32Array, banned: readonly number[]): Float32Array {
  const kept = without(logits, banned);
  return Number.isFinite(kept[argmax(kept)]) ? kept : logits;
}

/** Logits with some tokens made impossible: a copy, if there are any. */
function without(logits: Float32Array, banned: readonly number[]): Float32Array {
  if (banned.length === 0) return logits;
  const kept = logits.slice();
  for (const id of banned) kept[id] = Number.NEGATIVE_INFINITY;
  return kept;
}
