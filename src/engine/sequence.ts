import type {
  FinishEvent,
  FinishReason,
  GenerationEvent,
  GenerationRequest,
  TokenLogprob,
} from './generation.ts';
import { type PromptImage, promptImages } from './prompt-image.ts';
import { logSumExp, topIds } from './sampling/logprobs.ts';
import { Sampler } from './sampling/sampler.ts';
import type { DeadlineView, DecisionState, RunningView, WaitingView } from './scheduler.ts';
import { SequenceEvents, type SequenceTimes } from './sequence-events.ts';
import { type NextToken, ThinkingController } from './thinking/controller.ts';
import type { ProbeTree } from './thinking/probe.ts';
import type { ProtocolGrammar } from './thinking/protocol-grammar.ts';
import type { ProtocolTokens } from './thinking/protocol-tokens.ts';
import type { OpenConstraint, TokenConstraint } from './token-constraint.ts';
import type { TokenPrefix } from './token-prefix.ts';

/** What all sequences of an engine share. */
export interface SequenceEnvironment {
  readonly grammar: ProtocolGrammar;
  readonly tokens: ProtocolTokens;
  /** The tokens' `probe` as a tree. */
  readonly probe: ProbeTree | null;
  /** Bytes of a token's text; empty for special tokens. */
  readonly tokenBytes: (tokenId: number) => Uint8Array;
  readonly eos: ReadonlySet<number>;
  readonly imageTokenId: number | null;
  /** Opens the constraint of a request's answer. */
  readonly openConstraint: OpenConstraint;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export type SequenceStatus = 'waiting' | 'running' | 'finished';

/** One generation: its request, tokens, slot, thinking, clock and events. Everything derived is a getter. */
export class Sequence {
  readonly id: string;
  readonly request: GenerationRequest;
  readonly thinking: ThinkingController;
  readonly times: SequenceTimes;
  readonly images: readonly PromptImage[];
  /** Constraint on the answer; null for a free one. */
  readonly constraint: TokenConstraint | null;
  readonly #abort = new AbortController();
  /** Aborted when the client is gone or has cancelled. */
  readonly signal = this.#abort.signal;
  readonly #sampler: Sampler;
  readonly #events: SequenceEvents;
  status: SequenceStatus = 'waiting';
  slot = -1;
  /** Prompt tokens taken over from the prefix cache. */
  numReused = 0;
  /** The prefix cache was searched for the current slot. */
  isLookedUp = false;
  /** Tokens in the slot's cache. Before the look-up: those that were there when the slot was claimed. */
  numCached = 0;
  /** It lost its slot once and got another later. */
  wasPreempted = false;
  /** The last one enters the cache with the next decode step. */
  readonly generated: number[] = [];

  constructor(request: GenerationRequest, environment: SequenceEnvironment) {
    const { grammar, tokens, probe, tokenBytes, imageTokenId, now, eos } = environment;
    const { thinking, maxTokens, minTokens, stop, sampling } = request;
    this.id = request.id;
    this.request = request;
    this.constraint =
      request.grammar === null ? null : openConstraint(request.grammar, request, environment);
    this.thinking = new ThinkingController({
      grammar,
      tokens,
      probe,
      request: thinking,
      maxTokens,
      stop,
      ending: { endOfTurn: eos, stopTokenIds: new Set(request.stopTokenIds), minTokens },
      constraint: this.constraint,
      greedy: sampling.temperature === 0,
      tokenBytes,
    });
    this.times = {
      arrivedMs: now(),
      admittedMs: null,
      firstTokenMs: null,
      firstAnswerMs: null,
      visionMs: 0,
      prefillMs: 0,
    };
    this.images = promptImages(request, imageTokenId);
    this.#sampler = new Sampler(sampling, request.promptTokenIds);
    this.#events = new SequenceEvents(this.thinking, this.times, now);
  }

  abort(): void {
    this.#abort.abort();
  }

  /** The token sampled last. */
  get lastTokenId(): number {
    return this.generated.at(-1) ?? -1;
  }

  /** Tokens that must be in the cache before the next decode step: the prompt, and all generated tokens but the last. */
  get numToPrefill(): number {
    return this.request.promptTokenIds.length + Math.max(0, this.generated.length - 1);
  }

  get isDecoding(): boolean {
    return this.generated.length > 0 && this.numCached >= this.numToPrefill;
  }

  /**
   * The constraint's mask for the next token is known, or there is no constraint. A failed constraint counts as known:
   * reading its mask throws where the token is chosen.
   */
  get hasMask(): boolean {
    try {
      return this.constraint === null || this.constraint.mask !== null;
    } catch {
      return true;
    }
  }

  /** It thinks or will think. False while the decision is open. */
  get thinks(): boolean {
    const { decision, inAnswer } = this.thinking;
    return !inAnswer && (decision?.mode ?? this.request.thinking.requested) === 'think';
  }

  get decisionState(): DecisionState {
    if (this.thinks) return 'thinking';
    const isDirect = this.thinking.inAnswer || this.thinking.decision?.mode === 'fast';
    return isDirect || this.request.thinking.requested === 'fast' ? 'direct' : 'undecided';
  }

  get waitingView(): WaitingView {
    const { id, decisionState, times, request } = this;
    return { id, decisionState, arrivedMs: times.arrivedMs, priority: request.priority };
  }

  get runningView(): RunningView {
    const [image] = this.imagesToEncode;
    const phase = image !== undefined ? 'vision' : this.isDecoding ? 'decode' : 'prefill';
    return {
      id: this.id,
      phase,
      numTilesLeft: image === undefined ? 0 : image.source.numTiles - image.numEncoded,
      numPromptTokensLeft: this.numToPrefill - this.numCached,
      thinks: this.thinks,
      // Once is enough: no sequence computes the same tokens again and again.
      preemptionCost: this.wasPreempted ? null : this.numCached,
    };
  }

  /**
   * @param nowMs monotonic milliseconds
   * @param exitTokens length of the text that ends the thinking
   */
  deadlineView(nowMs: number, exitTokens: number): DeadlineView {
    const { timeoutMs, thinking } = this.request;
    const { arrivedMs, firstTokenMs } = this.times;
    const numFurther = this.generated.length - 1;
    return {
      timeoutMs,
      elapsedMs: nowMs - arrivedMs,
      answerTokens: exitTokens + thinking.answerFloor,
      msPerToken:
        firstTokenMs === null || numFurther < 1 ? null : (nowMs - firstTokenMs) / numFurther,
    };
  }

  /** Tokens of prompt and output at positions [start, end). */
  tokensAt(start: number, end: number): Int32Array {
    const { promptTokenIds } = this.request;
    const count = promptTokenIds.length;
    if (end <= count) return promptTokenIds.subarray(start, end);
    const generated = this.generated.slice(Math.max(0, start - count), end - count);
    return Int32Array.of(...promptTokenIds.subarray(start), ...generated);
  }

  /** Images without features that are not in the cache as a whole. */
  get imagesToEncode(): PromptImage[] {
    return this.images.filter(
      ({ packed, start, source }) => packed === null && start + source.numTokens > this.numCached,
    );
  }

  /** Contents that its slot needs before it decodes, as the prefix cache identifies them. */
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
   * Chooses the next token and appends it.
   * @param logits float32 [vocabSize], raw
   * @throws Error when no token can be chosen
   */
  append(logits: Float32Array): { readonly token: NextToken; readonly events: GenerationEvent[] } {
    const token = this.thinking.next(logits, this.#sampler);
    this.generated.push(token.tokenId);
    this.#sampler.accept(token.tokenId);
    const { topLogprobs } = this.request;
    const logprobs =
      topLogprobs === null ? NO_LOGPROBS : tokenLogprobs(logits, token.tokenId, topLogprobs);
    return { token, events: this.#events.token(token, logprobs) };
  }

  /** The decision event, if the prompt alone decides. */
  start(): GenerationEvent[] {
    return this.#events.decision();
  }

  finish(reason: FinishReason, end: Partial<FinishEvent>): GenerationEvent[] {
    return this.#events.finish(reason, end, {
      askedBudget: this.request.thinking.budget,
      promptTokens: this.request.promptTokenIds.length,
      cachedTokens: this.numReused,
      imageTokens: this.images.reduce((sum, { source }) => sum + source.numTokens, 0),
      completionTokens: this.generated.length,
    });
  }
}

/** Log-probabilities of one token, from raw logits; null where the request asks for none. */
export interface TokenLogprobs {
  readonly logprob: number | null;
  readonly topLogprobs: readonly TokenLogprob[] | null;
}

const NO_LOGPROBS: TokenLogprobs = { logprob: null, topLogprobs: null };

/** @param numTop how many of the likeliest tokens are listed */
function tokenLogprobs(logits: Float32Array, tokenId: number, numTop: number): TokenLogprobs {
  const total = logSumExp(logits);
  const logprobOf = (id: number): number => (logits[id] ?? Number.NaN) - total;
  return {
    logprob: logprobOf(tokenId),
    topLogprobs: topIds(logits, numTop).map((id) => ({ tokenId: id, logprob: logprobOf(id) })),
  };
}

function openConstraint(
  grammar: string,
  { stopTokenIds }: GenerationRequest,
  environment: SequenceEnvironment,
): TokenConstraint {
  const { eos, tokenBytes } = environment;
  // A stop token that has text is text to the grammar, and ends the answer wherever it stands.
  const controls = stopTokenIds.filter((id) => tokenBytes(id).length === 0);
  return environment.openConstraint({ grammar, endTokens: [...eos, ...controls] });
}
