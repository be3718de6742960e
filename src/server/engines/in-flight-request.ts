import type {
  DecisionEvent,
  FinishEvent,
  GenerationEvent,
  GenerationRequest,
  GenerationTiming,
} from '../../engine/generation.ts';
import { EngineLostError } from './engine-client.ts';

/**
 * A request on its way through the pool, whichever engine works on it. When the pool starts it again on a second engine,
 * this object leaves out the events that the reader already has: with the same seed, engines of the same weights
 * generate the same tokens.
 */
export class InFlightRequest<Engine> {
  readonly request: GenerationRequest;
  readonly signal: AbortSignal;
  /** On the monotonic clock. */
  readonly startedAt: number;
  /** null while no engine has the request. */
  engine: Engine | null = null;
  /** Whether a client asked to end the thinking. */
  answersNow = false;

  /** Time between the arrival at the server and the arrival at the present engine. */
  #delayMs = 0;
  /** What the reader has. Empty where a second engine is out of the question. */
  readonly #received: string[] = [];
  #isShown = false;
  #isRetry = false;
  #numReplayed = 0;
  #numToReplay = 0;
  /** The decision that waits for the event after it. */
  #decision: DecisionEvent | null = null;

  constructor(request: GenerationRequest, signal: AbortSignal) {
    this.request = request;
    this.signal = signal;
    this.startedAt = performance.now();
  }

  /** Whether another engine may take over: only once, and before the client of a stream received anything. */
  get canStartAgain(): boolean {
    return !this.#isRetry && !(this.request.isStreamed && this.#isShown);
  }

  noteRetry(): void {
    this.#isRetry = true;
  }

  /**
   * Notes that `engine` takes the request.
   * @returns the request with the time that is left
   */
  assign(engine: Engine): GenerationRequest {
    const { request } = this;
    this.engine = engine;
    this.#delayMs = performance.now() - this.startedAt;
    this.#numReplayed = 0;
    this.#numToReplay = this.#received.length;
    this.#decision = null;
    if (request.timeoutMs === null) return request;
    return { ...request, timeoutMs: request.timeoutMs - this.#delayMs };
  }

  /**
   * Takes the next event of the present engine.
   * @returns the events to pass on now. The decision goes together with the event after it: on its own it would show the
   *   client of a stream something, and the request could not start again.
   * @throws EngineLostError when a second engine generates something else than the first
   */
  receive(event: GenerationEvent): readonly GenerationEvent[] {
    if (this.#numReplayed < this.#numToReplay) {
      if (keyOf(event) !== this.#received[this.#numReplayed]) throw new EngineLostError();
      this.#numReplayed += 1;
      return [];
    }
    if (event.type === 'decision') {
      this.#decision = event;
      return [];
    }
    const decision = this.#decision;
    const next = event.type === 'finish' ? delayed(event, this.#delayMs) : event;
    this.#decision = null;
    if (decision === null) return [this.#noted(next)];
    return [this.#noted(decision), this.#noted(next)];
  }

  /**
   * The finish of a request that no engine finished.
   * @param message what its client reads; null where the client disconnected
   */
  unfinished(message: string | null): FinishEvent {
    const { request } = this;
    const reason = message === null ? 'abort' : 'error';
    return {
      type: 'finish',
      reason,
      stopString: null,
      thinkingEnd: reason,
      interventions: { extensions: 0, loopBreaks: 0 },
      budget: { asked: request.thinking.budget, effective: null },
      pieces: [],
      usage: {
        promptTokens: request.promptTokenIds.length,
        cachedTokens: 0,
        imageTokens: request.images.reduce((sum, image) => sum + image.numTokens, 0),
        completionTokens: 0,
        reasoningTokens: 0,
        preambleTokens: 0,
      },
      timing: NO_TIMING,
      message,
      detail: null,
    };
  }

  #noted(event: GenerationEvent): GenerationEvent {
    this.#isShown = true;
    if (!this.request.isStreamed) this.#received.push(keyOf(event));
    return event;
  }
}

/** Whether the time limit passed before the first token: the client loses nothing when it tries again. */
export function isTooLate(event: GenerationEvent): boolean {
  return (
    event.type === 'finish' && event.reason === 'timeout' && event.usage.completionTokens === 0
  );
}

const NO_TIMING: GenerationTiming = {
  queueMs: 0,
  visionMs: 0,
  prefillMs: 0,
  firstTokenMs: null,
  firstAnswerMs: null,
  thinkingMs: 0,
  decodeMs: 0,
  totalMs: 0,
};

/** The finish of a request that reached its engine `ms` after it reached the server. */
function delayed(finish: FinishEvent, ms: number): FinishEvent {
  const { queueMs, totalMs, firstTokenMs, firstAnswerMs, ...rest } = finish.timing;
  return {
    ...finish,
    timing: {
      ...rest,
      queueMs: queueMs + ms,
      totalMs: totalMs + ms,
      firstTokenMs: firstTokenMs === null ? null : firstTokenMs + ms,
      firstAnswerMs: firstAnswerMs === null ? null : firstAnswerMs + ms,
    },
  };
}

function keyOf(event: GenerationEvent): string {
  switch (event.type) {
    case 'decision':
      return `decision ${event.mode}`;
    case 'token':
      return `${event.tokenId} ${event.section}`;
    case 'finish':
      return 'finish';
  }
}
