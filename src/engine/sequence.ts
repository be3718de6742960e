import { AnswerGuard } from './answer-guard.ts';
import type { GenerationRequest, TokenLogprob } from './generation.ts';
import type { FeatureSpan, TiledImage } from './model-runner.ts';
import { argmax, logSumExp, topIds } from './sampling/logprobs.ts';
import { Sampler } from './sampling/sampler.ts';
import type { Outlook } from './scheduler.ts';
import type { Adjustment, ThinkingController } from './thinking/controller.ts';
import { sideOf } from './thinking/decision-bias.ts';
import type { TokenConstraint } from './token-constraint.ts';
import { imageSpans, type TokenPrefix } from './token-prefix.ts';

export type SequenceStatus = 'waiting' | 'running' | 'finished';

/** An image of the prompt on its way through the vision tower. */
export interface PromptImage {
  readonly source: TiledImage;
  /** Prompt position of its first placeholder. */
  readonly start: number;
  /** Features of the tiles encoded so far, float32 [count, featuresPerTile, hiddenSize] each. */
  readonly encoded: Float32Array[];
  numEncoded: number;
  /** float32 [numTokens, hiddenSize] once all tiles are encoded. */
  packed: Float32Array | null;
}

/** Log-probabilities of one generated token, from raw logits. */
export interface TokenReport {
  readonly logprob: number | null;
  readonly topLogprobs: readonly TokenLogprob[] | null;
}

export interface SequenceOptions {
  readonly imageTokenId: number | null;
  /** What the answer is held to; null for a free one. */
  readonly constraint: TokenConstraint | null;
}

/** The engine's state of one generation: tokens, counters, slot. Everything derived is a getter. */
export class Sequence {
  readonly request: GenerationRequest;
  readonly thinking: ThinkingController;
  readonly images: readonly PromptImage[];
  /** Holds the answer to a constraint; null for a free one. */
  readonly guard: AnswerGuard | null;
  readonly #sampler: Sampler;
  status: SequenceStatus = 'waiting';
  slot = -1;
  /** Prompt tokens taken over from earlier work. */
  numReused = 0;
  /** What earlier work has of it was looked up for the slot at hand. */
  isLookedUp = false;
  /** Tokens in the slot's cache, by what is known: before the look-up, those that were there when it was claimed. */
  numCached = 0;
  /** It gave its slot back once, to get another later. */
  wasParked = false;
  /** The last one is not in the cache before the next decode step. */
  readonly generated: number[] = [];

  constructor(
    request: GenerationRequest,
    thinking: ThinkingController,
    { imageTokenId, constraint }: SequenceOptions,
  ) {
    this.request = request;
    this.thinking = thinking;
    this.guard = constraint === null ? null : new AnswerGuard(constraint, thinking);
    this.images = promptImages(request, imageTokenId);
    this.#sampler = new Sampler(request.sampling, request.promptTokenIds);
  }

  get id(): string {
    return this.request.id;
  }

  get numPromptTokens(): number {
    return this.request.promptTokenIds.length;
  }

  get numImageTokens(): number {
    return this.images.reduce((sum, image) => sum + image.source.numTokens, 0);
  }

  get numGenerated(): number {
    return this.generated.length;
  }

  /** The token sampled last. */
  get lastTokenId(): number {
    return this.generated.at(-1) ?? -1;
  }

  /** Tokens that must be in the cache before the next can be decoded: the prompt, and what was generated before. */
  get numToPrefill(): number {
    return this.numPromptTokens + Math.max(0, this.numGenerated - 1);
  }

  get isDecoding(): boolean {
    return this.numGenerated > 0 && this.numCached >= this.numToPrefill;
  }

  /** It thinks, or will; an open choice is neither. */
  get thinks(): boolean {
    const { decision, inAnswer } = this.thinking;
    return !inAnswer && (decision?.mode ?? this.request.thinking.requested) === 'think';
  }

  get outlook(): Outlook {
    if (this.thinks) return 'think';
    const isDirect = this.thinking.inAnswer || this.thinking.decision?.mode === 'fast';
    return isDirect || this.request.thinking.requested === 'fast' ? 'direct' : 'open';
  }

  /** Tokens of prompt and output at positions [start, end). */
  tokensAt(start: number, end: number): Int32Array {
    const { promptTokenIds } = this.request;
    const count = promptTokenIds.length;
    if (end <= count) return promptTokenIds.subarray(start, end);
    const generated = this.generated.slice(Math.max(0, start - count), end - count);
    return Int32Array.of(...promptTokenIds.subarray(start), ...generated);
  }

  /** Images whose features are not complete and that are not in the cache as a whole. */
  get imagesToEncode(): PromptImage[] {
    return this.images.filter(
      ({ packed, start, source }) => packed === null && start + source.numTokens > this.numCached,
    );
  }

  /** What its slot is to hold before it decodes, as the cache knows it. */
  get prefix(): TokenPrefix {
    return {
      tokenIds: this.tokensAt(0, this.numToPrefill),
      images: this.images.map(({ source: { hash, numTokens }, start }) => ({
        hash,
        start,
        numTokens,
      })),
    };
  }

  /**
   * Chooses the next token: one the thinking forces, else one sampled that it does not refuse.
   * @param logits float32 [vocabSize], raw.
   */
  choose(
    logits: Float32Array,
    endsTurn: (tokenId: number) => boolean,
  ): { tokenId: number; forced: boolean; report: TokenReport } {
    const { thinking } = this;
    const adjustment = thinking.observe(logits);
    let forced = thinking.takeForced();
    let tokenId = forced ?? this.#choose(logits, adjustment, endsTurn);
    if (forced === undefined && thinking.refuses(tokenId, endsTurn(tokenId))) {
      forced = thinking.takeForced();
      tokenId = forced ?? tokenId;
    }
    return { tokenId, forced: forced !== undefined, report: this.#report(logits, tokenId) };
  }

  #choose(
    logits: Float32Array,
    adjustment: Adjustment | null,
    endsTurn: (tokenId: number) => boolean,
  ): number {
    if (this.guard === null) return this.#sample(logits, adjustment);
    const ends = (id: number): boolean => endsTurn(id) || this.thinking.stopsAt(id);
    return this.guard.choose(logits, (left) => this.#sample(left, adjustment), ends);
  }

  #sample(logits: Float32Array, adjustment: Adjustment | null): number {
    if (adjustment === null) return this.#sampler.sample(logits);
    const { banned, steered } = adjustment;
    if (steered === null) return this.#sampler.sample(unless(logits, banned));
    const variants = steered.variants.map((variant) => without(variant, banned));
    const ids = this.#sampler.sampleTogether(variants, (id) => sideOf(steered.branch, id));
    this.thinking.sampled(ids);
    return ids.at(-1) ?? -1;
  }

  append(tokenId: number): void {
    this.generated.push(tokenId);
    this.#sampler.accept(tokenId);
  }

  /** Features that fall into the prompt rows [start, start + count). */
  featuresWithin(start: number, count: number): FeatureSpan[] {
    const spans: FeatureSpan[] = [];
    for (const { source, start: first, packed } of this.images) {
      const { numTokens } = source;
      const from = Math.max(start, first);
      const to = Math.min(start + count, first + numTokens);
      if (from >= to || packed === null) continue;
      const width = packed.length / numTokens;
      const rows = packed.subarray((from - first) * width, (to - first) * width);
      spans.push({ offset: from - start, rows });
    }
    return spans;
  }

  #report(logits: Float32Array, tokenId: number): TokenReport {
    const { topLogprobs } = this.request;
    if (topLogprobs === null) return { logprob: null, topLogprobs: null };
    const total = logSumExp(logits);
    const logprobOf = (id: number): number => (logits[id] ?? Number.NaN) - total;
    return {
      logprob: logprobOf(tokenId),
      topLogprobs: topIds(logits, topLogprobs).map((id) => ({
        tokenId: id,
        logprob: logprobOf(id),
      })),
    };
  }
}

/** The same, unless nothing else is left: an end that a constraint asks for comes before a least number of tokens. */
function unless(logits: Float32Array, banned: readonly number[]): Float32Array {
  const kept = without(logits, banned);
  return kept === logits || Number.isFinite(kept[argmax(kept)]) ? kept : logits;
}

/** The logits with some tokens made impossible: a copy, if there are any. */
function without(logits: Float32Array, banned: readonly number[]): Float32Array {
  if (banned.length === 0) return logits;
  const kept = logits.slice();
  for (const id of banned) kept[id] = Number.NEGATIVE_INFINITY;
  return kept;
}

/** The chat room guarantees that placeholders and images agree. */
function promptImages(
  { promptTokenIds, images }: GenerationRequest,
  imageTokenId: number | null,
): PromptImage[] {
  const spans = imageSpans(promptTokenIds, images, imageTokenId);
  return images.map((source, index) => ({
    source,
    start: spans[index]?.start ?? -1,
    encoded: [],
    numEncoded: 0,
    packed: null,
  }));
}
