import type {
  FinishEvent,
  GenerationEvent,
  GenerationRequest,
  TokenEvent,
} from '../engine/generation.ts';
import type { ThinkingMode } from '../model-package/protocol.ts';
import type { Decision } from '../thinking/decision.ts';
import type { TextPiece } from '../thinking/section-parser.ts';
import type { Metrics } from './metrics.ts';
import type { RequestLog, RequestLogEntry } from './request-log.ts';

export interface ObservationContext {
  readonly metrics: Metrics;
  readonly log: RequestLog;
  readonly requestId: string;
}

export interface PreparedFacts {
  readonly model: string;
  readonly stream: boolean;
  readonly request: GenerationRequest;
  /** The mode asked for, and the fields that asked for something. */
  readonly asked: { readonly requested: ThinkingMode; readonly fields: readonly string[] };
  /** Time the prompt and its pictures took. */
  readonly prepareMs: number;
}

/**
 * Follows one request from its arrival: watches the event stream that everybody else reads too, and writes the metrics
 * and the log line once, at the end.
 */
export class RequestObservation {
  readonly #context: ObservationContext;
  readonly #arrivedAt = performance.now();
  #facts: PreparedFacts | undefined;
  #decision: Decision | null = null;
  #finish: FinishEvent | undefined;
  #numPrompt = 0;
  #lastTokenAt: number | undefined;
  #firstTokenMs: number | null = null;
  #firstAnswerMs: number | null = null;
  readonly #counts = { preamble: 0, reasoning: 0, answer: 0 };
  #numForced = 0;
  #hasAnswer = false;
  #ended = false;

  constructor(context: ObservationContext) {
    this.#context = context;
  }

  get id(): string {
    return this.#context.requestId;
  }

  prepared(facts: PreparedFacts): void {
    this.#facts = facts;
    this.#numPrompt = facts.request.promptTokenIds.length;
    if (facts.request.images.length > 0) {
      this.#context.metrics.imagePreprocess.observe(facts.prepareMs / 1000);
    }
  }

  /** The same events, seen. */
  async *watch(events: AsyncIterable<GenerationEvent>): AsyncGenerator<GenerationEvent, void> {
    for await (const event of events) {
      this.#see(event);
      yield event;
    }
  }

  /**
   * Writes everything down. Later calls change nothing: the first one to know how it ended is right.
   * @param error the error's code, where the request was refused, failed or given up
   */
  end(status: number, error: string | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    const totalMs = performance.now() - this.#arrivedAt;
    this.#record(error, totalMs);
    this.#write({ status, error, totalMs });
  }

  #see(event: GenerationEvent): void {
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
        this.#finish = event;
        break;
    }
  }

  #seeDecision(decision: Decision): void {
    this.#decision = decision;
    const { metrics } = this.#context;
    const { mode, source, pThink } = decision;
    const requested = this.#facts?.asked.requested ?? decision.requested;
    metrics.decisions.inc({ requested, mode, source });
    if (requested === 'auto' && source !== 'model' && source !== 'prompt') {
      metrics.decisionsChanged.inc({ by: source });
    }
    if (pThink !== null) metrics.probability.observe(pThink);
  }

  #seeToken({ side, forced }: TokenEvent): void {
    const { metrics } = this.#context;
    const now = performance.now();
    metrics.generationTokens.inc();
    if (this.#lastTokenAt === undefined) {
      this.#firstTokenMs = now - this.#arrivedAt;
      metrics.timeToFirstToken.observe(this.#firstTokenMs / 1000);
    } else {
      metrics.interTokenLatency.observe((now - this.#lastTokenAt) / 1000);
    }
    this.#lastTokenAt = now;
    this.#counts[side] += 1;
    if (!forced) return;
    this.#numForced += 1;
    metrics.forcedTokens.inc();
  }

  #seeText(pieces: readonly TextPiece[]): void {
    if (this.#hasAnswer) return;
    const isAnswer = ({ section, text }: TextPiece): boolean =>
      section === 'answer' && text.trim() !== '';
    if (!pieces.some(isAnswer)) return;
    this.#hasAnswer = true;
    this.#firstAnswerMs = performance.now() - this.#arrivedAt;
    const mode = this.#decision?.mode ?? 'fast';
    this.#context.metrics.timeToFirstAnswerToken.observe({ mode }, this.#firstAnswerMs / 1000);
  }

  #record(error: string | null, totalMs: number): void {
    const { metrics } = this.#context;
    if (error !== null) metrics.failure.inc({ code: error });
    const finish = this.#finish;
    if (finish === undefined) return;
    metrics.promptTokens.inc(finish.usage.promptTokens);
    metrics.queueTime.observe(finish.timing.queueMs / 1000);
    metrics.prefillTime.observe(finish.timing.prefillMs / 1000);
    metrics.decodeTime.observe(finish.timing.decodeMs / 1000);
    if (this.#facts?.request.images.length) {
      metrics.imageEncode.observe(finish.timing.visionMs / 1000);
    }
    if (finish.thinkingEnd !== null) metrics.thinkingEnded.inc({ ended_by: finish.thinkingEnd });
    if (finish.reason !== 'stop' && finish.reason !== 'length') return;
    metrics.success.inc({ finish_reason: finish.reason });
    metrics.endToEnd.observe(totalMs / 1000);
    if (!this.#hasAnswer) metrics.emptyAnswers.inc();
    const mode = this.#decision?.mode ?? 'fast';
    const { reasoningTokens, preambleTokens, completionTokens } = finish.usage;
    metrics.thinkingTokens.observe({ mode }, reasoningTokens);
    metrics.answerTokens.observe({ mode }, completionTokens - reasoningTokens - preambleTokens);
  }

  #write(outcome: { status: number; error: string | null; totalMs: number }): void {
    const finish = this.#finish;
    const request = this.#facts?.request;
    this.#context.log.write({
      request_id: this.#context.requestId,
      completion_id: request?.id ?? null,
      model: this.#facts?.model ?? null,
      status: outcome.status,
      error: outcome.error,
      stream: this.#facts?.stream ?? false,
      requested: this.#facts?.asked.requested ?? null,
      asked_by: this.#facts?.asked.fields ?? [],
      ...decisionFields(this.#decision),
      ended_by: finish?.thinkingEnd ?? null,
      finish_reason: finish?.reason ?? null,
      budget: {
        effective: finish?.budget.effective ?? null,
        ...limitsOf(request),
      },
      steering: steeringOf(request),
      controls: controlsOf(request),
      sampling: samplingOf(request),
      tokens: this.#tokens(),
      ms: this.#times(outcome.totalMs),
    });
  }

  /** The engine's own counts where it came to say them, else what was seen. */
  #tokens() {
    const usage = this.#finish?.usage;
    const reasoning = usage?.reasoningTokens ?? this.#counts.reasoning;
    const preamble = usage?.preambleTokens ?? this.#counts.preamble;
    return {
      prompt: usage?.promptTokens ?? this.#numPrompt,
      image: usage?.imageTokens ?? 0,
      cached: usage?.cachedTokens ?? 0,
      preamble,
      reasoning,
      answer:
        usage === undefined ? this.#counts.answer : usage.completionTokens - reasoning - preamble,
      forced: this.#numForced,
    };
  }

  #times(totalMs: number) {
    const timing = this.#finish?.timing;
    const prepareMs = this.#facts?.prepareMs;
    return {
      prepare: prepareMs === undefined ? null : round(prepareMs),
      queue: timing === undefined ? null : round(timing.queueMs),
      image: timing === undefined ? null : round(timing.visionMs),
      prefill: timing === undefined ? null : round(timing.prefillMs),
      first_token: this.#firstTokenMs === null ? null : round(this.#firstTokenMs),
      first_answer: this.#firstAnswerMs === null ? null : round(this.#firstAnswerMs),
      thinking: timing === undefined ? null : round(timing.thinkingMs),
      total: round(totalMs),
    };
  }
}

function decisionFields(
  decision: Decision | null,
): Pick<RequestLogEntry, 'decision' | 'source' | 'p_think' | 'p_think_steered' | 'residual'> {
  return {
    decision: decision?.mode ?? null,
    source: decision?.source ?? null,
    p_think: decision?.pThink ?? null,
    p_think_steered: decision?.pThinkSteered ?? null,
    residual: decision?.residual ?? null,
  };
}

function limitsOf(
  request: GenerationRequest | undefined,
): Omit<RequestLogEntry['budget'], 'effective'> {
  return {
    asked: request?.thinking.budget ?? null,
    floor: request?.thinking.answerFloor ?? null,
    max_tokens: request?.maxTokens ?? null,
  };
}

function steeringOf(request: GenerationRequest | undefined): RequestLogEntry['steering'] {
  const steering = request?.thinking.steering;
  return {
    request: steering?.requestBias ?? 0,
    policy: steering?.serverBias ?? 0,
    load: steering?.loadBias ?? 0,
    threshold: steering?.threshold ?? null,
  };
}

function controlsOf(request: GenerationRequest | undefined): RequestLogEntry['controls'] {
  const thinking = request?.thinking;
  return {
    extensions: thinking?.extensions ?? 0,
    break_loops: thinking?.breakLoops ?? true,
    stop_in_thinking: thinking?.stopInThinking ?? false,
    num_stop: request?.stop.length ?? 0,
  };
}

function samplingOf(request: GenerationRequest | undefined): RequestLogEntry['sampling'] {
  if (request === undefined) return null;
  const { logitBias, ...sampling } = request.sampling;
  return { ...sampling, numBiased: logitBias.size };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
