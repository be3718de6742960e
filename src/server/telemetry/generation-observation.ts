import type { FinishEvent, GenerationEvent, TokenEvent } from '../../engine/generation.ts';
import type { Decision } from '../../engine/thinking/decision.ts';
import type { TextPiece } from '../../engine/thinking/section-parser.ts';
import type { DecidedMode, ThinkingMode } from '../../package/protocol.ts';
import type { Metrics } from './metrics.ts';
import { OVERRIDING_SOURCES } from './request-metrics.ts';

export interface GenerationContext {
  readonly metrics: Metrics;
  /** Arrival of the request on the monotonic clock, in milliseconds. */
  readonly arrivedAt: number;
  /** The mode that the request asked for; the engine's request holds the mode that followed from it. */
  readonly requested: ThinkingMode | null;
}

export interface TokenCounts {
  readonly preamble: number;
  readonly reasoning: number;
  readonly answer: number;
  /** The part of these that the server wrote and the model did not sample. */
  readonly forced: number;
}

/** What the request log needs of one generation. */
export interface ObservedGeneration {
  readonly decision: Decision | null;
  readonly finish: FinishEvent | null;
  /** Milliseconds from the arrival of the request; null until there is a token. */
  readonly firstTokenMs: number | null;
  /** Milliseconds from the arrival of the request; null until the answer has text. */
  readonly firstAnswerMs: number | null;
  /** The engine's own counts once the generation has finished, until then the counts of the events. */
  readonly tokens: TokenCounts;
}

/** Takes the events of one generation in order; the async layers of a reply call it and stay as they are. */
export interface GenerationObserver {
  see(event: GenerationEvent): void;
}

/** Counts the events of one generation in the metrics and remembers what the request log needs of them. */
export class GenerationObservation implements GenerationObserver, ObservedGeneration {
  readonly #context: GenerationContext;
  readonly #counts = { preamble: 0, reasoning: 0, answer: 0 };
  #numForced = 0;
  #lastTokenAt: number | undefined;
  decision: Decision | null = null;
  finish: FinishEvent | null = null;
  firstTokenMs: number | null = null;
  firstAnswerMs: number | null = null;

  constructor(context: GenerationContext) {
    this.#context = context;
  }

  get tokens(): TokenCounts {
    const forced = this.#numForced;
    const usage = this.finish?.usage;
    if (usage === undefined) return { ...this.#counts, forced };
    const { reasoningTokens: reasoning, preambleTokens: preamble, completionTokens } = usage;
    return { preamble, reasoning, answer: completionTokens - reasoning - preamble, forced };
  }

  /** Counts one event of the generation. Synchronous and cheap: it is called for every token. */
  see(event: GenerationEvent): void {
    switch (event.type) {
      case 'decision':
        this.#seeDecision(event);
        break;
      case 'token':
        this.#seeToken(event);
        this.#seeText(event.pieces);
        break;
      case 'finish':
        this.#seeText(event.pieces);
        this.#seeFinish(event);
        break;
    }
  }

  #seeDecision(decision: Decision): void {
    this.decision = decision;
    const { decisions, decisionsChanged, probability } = this.#context.metrics.thinking;
    const { mode, source, pThink } = decision;
    const requested = this.#context.requested ?? decision.requested;
    decisions.inc({ requested, mode, source });
    if (requested === 'auto' && OVERRIDING_SOURCES.has(source)) {
      decisionsChanged.inc({ by: source });
    }
    if (pThink !== null) probability.observe(pThink);
  }

  #seeToken({ section, forced }: TokenEvent): void {
    const { requests, latency } = this.#context.metrics;
    const now = performance.now();
    requests.generationTokens.inc();
    if (this.#lastTokenAt === undefined) {
      this.firstTokenMs = now - this.#context.arrivedAt;
      latency.timeToFirstToken.observe(this.firstTokenMs / 1000);
    } else {
      latency.interTokenLatency.observe((now - this.#lastTokenAt) / 1000);
    }
    this.#lastTokenAt = now;
    this.#counts[section] += 1;
    if (!forced) return;
    this.#numForced += 1;
    requests.forcedTokens.inc();
  }

  #seeText(pieces: readonly TextPiece[]): void {
    if (this.firstAnswerMs !== null) return;
    if (!pieces.some(({ section, text }) => section === 'answer' && text.trim() !== '')) return;
    this.firstAnswerMs = performance.now() - this.#context.arrivedAt;
    const mode = this.decision?.mode ?? 'fast';
    const { timeToFirstAnswerToken } = this.#context.metrics.thinking;
    timeToFirstAnswerToken.observe({ mode }, this.firstAnswerMs / 1000);
  }

  /** Records the end. Sizes and empty answers count only when the generation was neither aborted nor failed. */
  #seeFinish(finish: FinishEvent): void {
    this.finish = finish;
    const { requests, latency, thinking } = this.#context.metrics;
    const mode = this.decision?.mode ?? null;
    recordTimes(this.#context.metrics, finish, mode);
    if (finish.thinkingEnd !== null) thinking.thinkingEnded.inc({ ended_by: finish.thinkingEnd });
    thinking.extensions.inc(finish.interventions.extensions);
    thinking.loopBreaks.inc(finish.interventions.loopBreaks);
    if (finish.reason === 'abort' || finish.reason === 'error') return;
    requests.success.inc({ finished_reason: finish.reason });
    latency.endToEnd.observe((performance.now() - this.#context.arrivedAt) / 1000);
    const { completionTokens } = finish.usage;
    const { reasoning, answer } = this.tokens;
    requests.requestGenerationTokens.observe(completionTokens);
    thinking.thinkingTokens.observe({ mode: mode ?? 'fast' }, reasoning);
    thinking.answerTokens.observe({ mode: mode ?? 'fast' }, answer);
    const { asked } = finish.budget;
    if (mode === 'think' && asked !== null && asked > 0) {
      thinking.budgetUsed.observe(reasoning / asked);
    }
    if (this.firstAnswerMs === null) thinking.emptyAnswers.inc();
  }
}

/** @param mode null when the generation ended before the decision */
function recordTimes(
  { latency, thinking }: Metrics,
  { timing, usage }: FinishEvent,
  mode: DecidedMode | null,
): void {
  const { queueMs, prefillMs, decodeMs, visionMs, totalMs, thinkingMs } = timing;
  latency.queueTime.observe(queueMs / 1000);
  latency.inferenceTime.observe(Math.max(0, totalMs - queueMs) / 1000);
  latency.prefillTime.observe(prefillMs / 1000);
  latency.decodeTime.observe(decodeMs / 1000);
  const numLater = usage.completionTokens - 1;
  if (numLater > 0) latency.timePerOutputToken.observe(decodeMs / 1000 / numLater);
  if (usage.imageTokens > 0) latency.imageEncode.observe(visionMs / 1000);
  if (mode === 'think') thinking.thinkingTime.observe(thinkingMs / 1000);
}
