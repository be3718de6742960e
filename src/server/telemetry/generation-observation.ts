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

/** Takes the events of one generation in order; the async layers of a reply call it and stay as they are. */
export interface GenerationObserver {
  see(event: GenerationEvent): void;
}

/** Counts the events of one generation in the metrics and remembers what the request log needs of them. */
export class GenerationObservation implements GenerationObserver {
  readonly #context: GenerationContext;
  readonly #counts = { preamble: 0, reasoning: 0, answer: 0 };
  #numForced = 0;
  #decision: Decision | null = null;
  #finish: FinishEvent | null = null;
  #lastTokenAt: number | undefined;
  #firstTokenMs: number | null = null;
  #firstAnswerMs: number | null = null;

  constructor(context: GenerationContext) {
    this.#context = context;
  }

  get decision(): Decision | null {
    return this.#decision;
  }

  get finish(): FinishEvent | null {
    return this.#finish;
  }

  /** Milliseconds from the arrival of the request; null until there is a token. */
  get firstTokenMs(): number | null {
    return this.#firstTokenMs;
  }

  /** Milliseconds from the arrival of the request; null until the answer has text. */
  get firstAnswerMs(): number | null {
    return this.#firstAnswerMs;
  }

  /** The engine's own counts once the generation has finished, until then the counts of the events. */
  get tokens(): TokenCounts {
    const forced = this.#numForced;
    const usage = this.#finish?.usage;
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
    this.#decision = decision;
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
      this.#firstTokenMs = now - this.#context.arrivedAt;
      latency.timeToFirstToken.observe(this.#firstTokenMs / 1000);
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
    if (this.#firstAnswerMs !== null) return;
    const isAnswer = ({ section, text }: TextPiece): boolean =>
      section === 'answer' && text.trim() !== '';
    if (!pieces.some(isAnswer)) return;
    this.#firstAnswerMs = performance.now() - this.#context.arrivedAt;
    const mode = this.#decision?.mode ?? 'fast';
    const { timeToFirstAnswerToken } = this.#context.metrics.thinking;
    timeToFirstAnswerToken.observe({ mode }, this.#firstAnswerMs / 1000);
  }

  #seeFinish(finish: FinishEvent): void {
    this.#finish = finish;
    const { metrics, arrivedAt } = this.#context;
    recordFinish(metrics, {
      finish,
      mode: this.#decision?.mode ?? null,
      hasAnswer: this.#firstAnswerMs !== null,
      totalMs: performance.now() - arrivedAt,
    });
  }
}

interface FinishedGeneration {
  readonly finish: FinishEvent;
  /** null when the generation ended before the decision. */
  readonly mode: DecidedMode | null;
  readonly hasAnswer: boolean;
  /** Milliseconds from the arrival of the request. */
  readonly totalMs: number;
}

/** Records a finished generation. Sizes and empty answers count only when it was neither aborted nor failed. */
function recordFinish(metrics: Metrics, generation: FinishedGeneration): void {
  const { finish } = generation;
  recordTimes(metrics, generation);
  if (finish.thinkingEnd !== null) {
    metrics.thinking.thinkingEnded.inc({ ended_by: finish.thinkingEnd });
  }
  const { extensions, loopBreaks } = finish.interventions;
  metrics.thinking.extensions.inc(extensions);
  metrics.thinking.loopBreaks.inc(loopBreaks);
  if (finish.reason === 'abort' || finish.reason === 'error') return;
  metrics.requests.success.inc({ finished_reason: finish.reason });
  metrics.latency.endToEnd.observe(generation.totalMs / 1000);
  recordSizes(metrics, generation);
  if (!generation.hasAnswer) metrics.thinking.emptyAnswers.inc();
}

function recordTimes({ latency, thinking }: Metrics, { finish, mode }: FinishedGeneration): void {
  const { queueMs, prefillMs, decodeMs, visionMs, totalMs, thinkingMs } = finish.timing;
  latency.queueTime.observe(queueMs / 1000);
  latency.inferenceTime.observe(Math.max(0, totalMs - queueMs) / 1000);
  latency.prefillTime.observe(prefillMs / 1000);
  latency.decodeTime.observe(decodeMs / 1000);
  const numLater = finish.usage.completionTokens - 1;
  if (numLater > 0) latency.timePerOutputToken.observe(decodeMs / 1000 / numLater);
  if (finish.usage.imageTokens > 0) latency.imageEncode.observe(visionMs / 1000);
  if (mode === 'think') thinking.thinkingTime.observe(thinkingMs / 1000);
}

function recordSizes({ requests, thinking }: Metrics, generation: FinishedGeneration): void {
  const { finish } = generation;
  const { completionTokens, reasoningTokens, preambleTokens } = finish.usage;
  requests.requestGenerationTokens.observe(completionTokens);
  const mode = generation.mode ?? 'fast';
  thinking.thinkingTokens.observe({ mode }, reasoningTokens);
  thinking.answerTokens.observe({ mode }, completionTokens - reasoningTokens - preambleTokens);
  const { asked } = finish.budget;
  if (mode === 'think' && asked !== null && asked > 0) {
    thinking.budgetUsed.observe(reasoningTokens / asked);
  }
}
