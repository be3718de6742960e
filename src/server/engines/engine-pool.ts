import type { FinishEvent, GenerationEvent, GenerationRequest } from '../../engine/generation.ts';
import type { ModelLimits } from '../../engine/model-runner.ts';
import { imageSpans } from '../../engine/token-prefix.ts';
import {
  type EngineClient,
  EngineLostError,
  type EngineStatus,
  EngineUnavailableError,
} from './engine-client.ts';
import { combineStatuses } from './engine-status.ts';
import { InFlightRequest, isTooLate } from './in-flight-request.ts';
import { RateEstimate } from './rate-estimate.ts';
import type { Router } from './routing/router.ts';

/** One engine as the pool sees it. When it dies, its requests end with EngineLostError. */
export interface PooledEngine {
  status(): Omit<EngineStatus, 'retried'>;
  /** null until its model is loaded for the first time. */
  readonly limits: ModelLimits | null;
  /** Submits the request at once. The caller must read the events; to stop reading them stops the work. */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  answerNow(id: string): void;
  whenReady(): Promise<void>;
  close(): Promise<void>;
}

export interface EnginePoolOptions {
  readonly numEngines: number;
  /** Starts an engine. The engine calls `onReady` each time its model is loaded, after a restart too. */
  readonly start: (index: number, onReady: () => void) => PooledEngine;
  readonly router: Router;
  /** null for a model without images. */
  readonly imageTokenId: number | null;
  /** Requests that may wait in addition to those that run. */
  readonly maxWaiting: number;
  /** Longest time that a request whose engine died waits for another engine. */
  readonly retryWaitMs: number;
}

type InFlight = InFlightRequest<PooledEngine>;

const NOT_READY_SECONDS = 5;

const GONE = 'The engine stopped while it worked on this request; it is being restarted.';
const CLOSING = 'The server is shutting down and could not finish this request in time.';

/**
 * All engines as one. The pool admits requests and sends each to the engine that the router chooses. When an engine dies
 * before the client received anything, the pool starts the request again, once.
 */
export class EnginePool implements EngineClient {
  readonly #options: EnginePoolOptions;
  readonly #engines: readonly PooledEngine[];
  readonly #retried = new Map<PooledEngine, number>();
  readonly #inFlight = new Map<string, InFlight>();
  /** Tells rejected clients when to try again. */
  readonly #rate = new RateEstimate();
  /** Wakes the requests that wait for an engine. */
  readonly #waiters = new Set<() => void>();
  #closing = false;

  constructor(options: EnginePoolOptions) {
    this.#options = options;
    const { numEngines, start, router } = options;
    this.#engines = Array.from({ length: numEngines }, (_, index) =>
      start(index, () => {
        router.forget(index);
        this.#wake();
      }),
    );
  }

  /**
   * Waits until every engine has loaded its model for the first time.
   * @throws Error with the message of the first engine that fails to
   */
  async whenReady(): Promise<void> {
    const { numEngines } = this.#options;
    const loaded = this.#engines.map((engine, index) =>
      engine.whenReady().catch((error: Error) => {
        throw numEngines === 1 ? error : new Error(`Engine ${index}: ${error.message}`);
      }),
    );
    await Promise.all(loaded);
  }

  get limits(): ModelLimits {
    for (const { limits } of this.#engines) if (limits !== null) return limits;
    throw new EngineUnavailableError('not_ready', 1);
  }

  status(): EngineStatus {
    const all = combineStatuses(this.engines());
    const unassigned = [...this.#inFlight.values()].filter(({ engine }) => engine === null);
    return { ...all, numWaiting: all.numWaiting + unassigned.length };
  }

  engines(): readonly EngineStatus[] {
    return this.#engines.map((engine) => ({
      ...engine.status(),
      retried: this.#retried.get(engine) ?? 0,
    }));
  }

  /** @throws EngineUnavailableError when no engine takes the request, or its time passes before its first token */
  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    let engine: PooledEngine | null = this.#admit(request);
    const inFlight: InFlight = new InFlightRequest(request, signal);
    this.#inFlight.set(request.id, inFlight);
    try {
      while (engine !== null) {
        try {
          for await (const event of this.#submit(inFlight, engine)) {
            for (const received of this.#receive(inFlight, event)) yield received;
          }
          return;
        } catch (error) {
          engine = await this.#engineAfterLoss(error, inFlight);
        }
      }
      yield this.#unfinished(inFlight);
    } finally {
      this.#inFlight.delete(request.id);
    }
  }

  answerNow(id: string): boolean {
    const inFlight = this.#inFlight.get(id);
    if (inFlight === undefined) return false;
    inFlight.answersNow = true;
    inFlight.engine?.answerNow(id);
    return true;
  }

  /** Ends all engines; the requests in them end with an error event. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake();
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  #submit(inFlight: InFlight, engine: PooledEngine): AsyncIterable<GenerationEvent> {
    const { request, signal, answersNow } = inFlight;
    const events = engine.generate(inFlight.assign(engine), signal);
    if (answersNow) engine.answerNow(request.id);
    return events;
  }

  #receive(inFlight: InFlight, event: GenerationEvent): readonly GenerationEvent[] {
    if (isTooLate(event)) throw this.#rejection('timed_out');
    const received = inFlight.receive(event);
    if (event.type === 'finish' && received.length > 0) {
      // The finished request is still in flight.
      this.#rate.finished(performance.now(), this.#inFlight.size > this.#numSlots());
    }
    return received;
  }

  /**
   * Chooses the engine that starts a request again. A request starts again only once, because it may be what the engine
   * died of.
   * @returns null for none
   * @throws the error, unless it says that the engine died
   */
  async #engineAfterLoss(error: unknown, inFlight: InFlight): Promise<PooledEngine | null> {
    if (!(error instanceof EngineLostError)) throw error;
    const lost = inFlight.engine;
    inFlight.engine = null;
    if (lost === null || !inFlight.canStartAgain) return null;
    const engine = await this.#nextReady(inFlight);
    if (engine === null) return null;
    inFlight.noteRetry();
    this.#retried.set(lost, (this.#retried.get(lost) ?? 0) + 1);
    return engine;
  }

  /**
   * Waits for an engine that is ready.
   * @returns null when the wait is over, the client disconnected or the server closes
   */
  async #nextReady({ request, signal, startedAt }: InFlight): Promise<PooledEngine | null> {
    const waitUntil = performance.now() + this.#options.retryWaitMs;
    const deadline = startedAt + (request.timeoutMs ?? Infinity);
    while (!this.#closing && !signal.aborted) {
      const engine = this.#choose(request);
      if (engine !== null) return engine;
      const now = performance.now();
      if (now >= deadline) throw this.#rejection('timed_out');
      if (now >= waitUntil) return null;
      await this.#change(signal, Math.min(deadline, waitUntil) - now);
    }
    return null;
  }

  /** Resolves when an engine becomes ready, the signal aborts, the pool closes or the time is over. */
  async #change(signal: AbortSignal, ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#waiters.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener('abort', wake);
      this.#waiters.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  #admit(request: GenerationRequest): PooledEngine {
    const numSlots = this.#numSlots();
    // Without a ready engine there is nothing to compare with, and `#choose` finds none.
    if (numSlots > 0 && this.#inFlight.size >= numSlots + this.#options.maxWaiting) {
      throw this.#rejection('queue_full');
    }
    const engine = this.#choose(request);
    if (engine === null) throw new EngineUnavailableError('not_ready', NOT_READY_SECONDS);
    return engine;
  }

  #rejection(reason: 'queue_full' | 'timed_out'): EngineUnavailableError {
    return new EngineUnavailableError(reason, this.#rate.secondsUntilFree());
  }

  /** The engine for a request; null when none is ready. A single engine needs no routing. */
  #choose({ group, promptTokenIds, images }: GenerationRequest): PooledEngine | null {
    const [only, another] = this.#engines;
    if (only !== undefined && another === undefined) return isReady(only) ? only : null;
    const { router, imageTokenId } = this.#options;
    const spans = imageSpans(promptTokenIds, images, imageTokenId);
    const inFlight = [...this.#inFlight.values()];
    const loads = this.#engines.map((engine) => ({
      isReady: isReady(engine),
      load: inFlight.filter((each) => each.engine === engine).length,
    }));
    const route = router.route({ group, tokenIds: promptTokenIds, images: spans }, loads);
    return route === null ? null : (this.#engines[route.engine] ?? null);
  }

  /** Slots of all ready engines. */
  #numSlots(): number {
    const ready = this.#engines.filter(isReady);
    return ready.reduce((sum, { limits }) => sum + (limits?.numSlots ?? 0), 0);
  }

  #unfinished(inFlight: InFlight): FinishEvent {
    const message = this.#closing ? CLOSING : GONE;
    return inFlight.unfinished(inFlight.signal.aborted ? null : message);
  }
}

function isReady(engine: PooledEngine): boolean {
  return engine.status().state === 'ready';
}
