import { GenerationObservation, type GenerationObserver } from './generation-observation.ts';
import { type ObservedRequest, type PreparedFacts, promptCounts, toLogEntry } from './log-entry.ts';
import type { Metrics } from './metrics.ts';
import type { RequestLog } from './request-log.ts';
import type { RequestTrace } from './request-trace.ts';

export interface ObservationContext {
  readonly metrics: Metrics;
  readonly log: RequestLog;
  readonly requestId: string;
  /** Id of the request's API key; null without one. */
  readonly keyId?: string | null;
  /** Span of the request; null without tracing. */
  readonly trace?: RequestTrace | null;
}

/** Observes one request from its arrival, and writes its metrics and its log line once, when it ends. */
export class RequestObservation {
  readonly #context: ObservationContext;
  readonly #arrivedAt = performance.now();
  readonly #generations: GenerationObservation[] = [];
  #facts: PreparedFacts | null = null;
  #ended = false;

  constructor(context: ObservationContext) {
    this.#context = context;
  }

  get id(): string {
    return this.#context.requestId;
  }

  /** Records what is known once the request is checked and its prompt rendered. */
  prepared(facts: PreparedFacts): void {
    this.#facts = facts;
    if (facts.isQuotaFallback) this.#context.metrics.thinking.quotaFallbacks.inc();
    if (facts.request.images.length > 0) {
      this.#context.metrics.latency.imagePreprocess.observe(facts.prepareMs / 1000);
    }
  }

  /**
   * Begins the observation of the request's next generation. Generations count in the order of these calls, which is
   * the order of the reply's choices.
   * @returns an observer; pass it every event of the generation, in order
   */
  observeGeneration(): GenerationObserver {
    const generation = new GenerationObservation({
      metrics: this.#context.metrics,
      arrivedAt: this.#arrivedAt,
      requested: this.#facts?.asked.requested ?? null,
    });
    this.#generations.push(generation);
    return generation;
  }

  /**
   * Writes the metrics, the log line and the span. Only the first call counts: it knows how the request ended.
   * @param status HTTP status code of the reply
   * @param error code of the error, if the request was rejected, failed or abandoned
   */
  end(status: number, error: string | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    const observed: ObservedRequest = {
      requestId: this.#context.requestId,
      keyId: this.#context.keyId ?? null,
      traceId: this.#context.trace?.traceId ?? null,
      facts: this.#facts,
      generations: this.#generations,
      status,
      error,
      totalMs: performance.now() - this.#arrivedAt,
    };
    this.#count(observed);
    this.#compare(observed);
    const entry = toLogEntry(observed);
    this.#context.log.write(entry);
    this.#context.trace?.end(entry);
  }

  /** Adds a request of the hold-out to the arm it was drawn for; failures of the server do not count. */
  #compare({ facts, status, generations, totalMs }: ObservedRequest): void {
    const { savings } = this.#context.metrics;
    const arm = facts?.holdoutArm ?? null;
    if (savings === null || arm === null || (status !== 200 && status !== 499)) return;
    const tokens = generations.reduce((sum, generation) => {
      const { preamble, reasoning, answer } = generation.tokens;
      return sum + preamble + reasoning + answer;
    }, 0);
    savings.add({ arm, tokens, seconds: totalMs / 1000 });
  }

  /** Counts what belongs to the request and not to one of its generations. */
  #count(observed: ObservedRequest): void {
    const { facts, error, generations } = observed;
    const { requests } = this.#context.metrics;
    if (error !== null) requests.failure.inc({ code: error });
    const counts = promptCounts(observed);
    if (facts === null || counts === null) return;
    if (facts.strategy !== undefined) {
      requests.strategies.inc({ type: facts.strategy });
      requests.strategyCalls.inc({ type: facts.strategy }, generations.length);
    }
    requests.promptTokens.inc(counts.prompt);
    requests.cachedTokens.inc(counts.cached);
    requests.imageTokens.inc(counts.image);
    requests.requestPromptTokens.observe(counts.prompt);
    requests.paramsMaxTokens.observe(facts.request.maxTokens);
    requests.paramsN.observe(facts.numChoices);
  }
}
