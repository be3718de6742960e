import type { FinishEvent, GenerationEvent, TokenEvent } from '../../engine/generation.ts';
import type { Decision } from '../../engine/thinking/decision.ts';
import type { TextPiece } from '../../engine/thinking/section-parser.ts';
import type { ThinkingMode } from '../../package/protocol.ts';
import { recordFinish } from './finish-metrics.ts';
import type { Metrics } from './metrics.ts';

export interface GenerationContext {
  readonly metrics: Metrics;
  /** When the request arrived, on the monotonic clock. */
  readonly arrivedAt: number;
  /** The mode asked for; the engine's request has the one that came of it. */
  readonly requested: ThinkingMode | null;
}

export interface TokenCounts {
  readonly preamble: number;
  readonly reasoning: number;
  readonly answer: number;
  /** Of these, written by the server in place of the model. */
  readonly forced: number;
}

/** Who takes a choice that was the model's; of the hold-out nobody knows what the model would have chosen. */
const CHANGERS: ReadonlySet<Decision['source']> = new Set(['request', 'policy', 'load', 'budget']);

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

  /** Milliseconds from the request's arrival; null before it comes. */
  get firstTokenMs(): number | null {
    return this.#firstTokenMs;
  }

  get firstAnswerMs(): number | null {
    return this.#firstAnswerMs;
  }

  /** The engine's own counts where it came to say them, else what was seen. */
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
    if (requested === 'auto' && CHANGERS.has(source)) decisionsChanged.inc({ by: source });
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
