import type { FinishEvent, GenerationEvent, GenerationRequest } from '../../engine/generation.ts';
import type { ModelLimits } from '../../engine/model-runner.ts';
import { imageSpans } from '../../engine/token-prefix.ts';
import { combineStatuses } from './combine-statuses.ts';
import { type EngineClient, type EngineStatus, EngineUnavailableError } from './engine-client.ts';
import { EngineLostError } from './engine-lost-error.ts';
import { decisionLate, delayed, isTooLate } from './event-stream.ts';
import { RateEstimate } from './rate-estimate.ts';
import type { Router } from './routing/router.ts';
import { SeenEvents } from './seen-events.ts';
import { unfinished } from './unfinished.ts';

/** One engine, as the pool sees it; its requests end with EngineLostError when it dies. */
export interface PooledEngine {
  status(): Omit<EngineStatus, 'retried'>;
  /** null before its model was loaded for the first time. */
  readonly limits: ModelLimits | null;
  /** Submits at once; what is returned must be read. */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  answerNow(id: string): void;
  whenReady(): Promise<void>;
  close(): Promise<void>;
}

export interface EnginePoolOptions {
  readonly numEngines: number;
  /** Starts an engine, which calls back whenever its model is loaded, after a restart too. */
  readonly start: (index: number, onReady: () => void) => PooledEngine;
  readonly router: Router;
  /** null for a model without images. */
  readonly imageTokenId: number | null;
  /** Requests that may wait beyond those that run. */
  readonly maxWaiting: number;
  /** Longest that a request whose engine died waits for another. */
  readonly retryWaitMs: number;
}

/** A request on its way, whichever engine works on it. */
interface Flight {
  readonly request: GenerationRequest;
  readonly signal: AbortSignal;
  /** On the monotonic clock. */
  readonly startedAt: number;
  /** null while no engine has it. */
  engine: PooledEngine | null;
  /** Its answer was asked for at once. */
  answersNow: boolean;
  /** What of it was handed on. */
  readonly seen: SeenEvents;
}

const NOT_READY_SECONDS = 5;

const GONE = 'The engine stopped while it worked on this request; it is being restarted.';
const CLOSING = 'The server is shutting down and could not finish this request in time.';

/**
 * The engines as the server sees them. Admits requests, hands each to the engine the router says, and begins one again,
 * once, whose engine died before its client was shown anything.
 */
export class EnginePool implements EngineClient {
  readonly #options: EnginePoolOptions;
  readonly #engines: readonly PooledEngine[];
  readonly #retried = new Map<PooledEngine, number>();
  readonly #flights = new Map<string, Flight>();
  readonly #rate = new RateEstimate();
  /** Those who wait for an engine. */
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
   * @throws Error with the sentence of the first that cannot
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
    const homeless = [...this.#flights.values()].filter(({ engine }) => engine === null);
    return { ...all, numWaiting: all.numWaiting + homeless.length };
  }

  engines(): readonly EngineStatus[] {
    return this.#engines.map((engine) => ({
      ...engine.status(),
      retried: this.#retried.get(engine) ?? 0,
    }));
  }

  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    const engine = this.#admit(request);
    const startedAt = performance.now();
    const flight: Flight = {
      request,
      signal,
      startedAt,
      engine,
      seen: new SeenEvents(),
      answersNow: false,
    };
    this.#flights.set(request.id, flight);
    try {
      yield* this.#events(flight, engine);
    } finally {
      this.#flights.delete(request.id);
    }
  }

  answerNow(id: string): boolean {
    const flight = this.#flights.get(id);
    if (flight === undefined) return false;
    flight.answersNow = true;
    flight.engine?.answerNow(id);
    return true;
  }

  /** Ends all engines; requests still in them end with an error event. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake();
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  async *#events(flight: Flight, engine: PooledEngine): AsyncGenerator<GenerationEvent> {
    try {
      yield* this.#attempt(flight, engine);
    } catch (error) {
      if (!(error instanceof EngineLostError)) throw error;
      yield* this.#afterLoss(flight, engine);
    }
  }

  /** What one engine makes of the request in the time that is left to it. */
  async *#attempt(flight: Flight, engine: PooledEngine): AsyncGenerator<GenerationEvent> {
    const { request, signal, startedAt, seen } = flight;
    const lateMs = performance.now() - startedAt;
    const timeoutMs = request.timeoutMs === null ? null : request.timeoutMs - lateMs;
    flight.engine = engine;
    const events = engine.generate({ ...request, timeoutMs }, signal);
    if (flight.answersNow) engine.answerNow(request.id);
    for await (const event of decisionLate(seen.notIn(this.#inTime(events)))) {
      seen.add(event);
      if (event.type !== 'finish') yield event;
      else yield this.#finished(delayed(event, lateMs));
    }
  }

  /** Begins again what can; only once, as the request may be what the engine died of. */
  async *#afterLoss(flight: Flight, lost: PooledEngine): AsyncGenerator<GenerationEvent> {
    flight.engine = null;
    const { seen, request } = flight;
    const isShown = request.isStreamed && !seen.isEmpty;
    const engine = isShown ? null : await this.#engineInTime(flight);
    if (engine === null) {
      yield this.#unfinished(flight);
      return;
    }
    this.#retried.set(lost, (this.#retried.get(lost) ?? 0) + 1);
    try {
      yield* this.#attempt(flight, engine);
    } catch (error) {
      if (!(error instanceof EngineLostError)) throw error;
      yield this.#unfinished(flight);
    }
  }

  /** @throws EngineUnavailableError in place of a finish that has nothing to show: nothing is lost by coming again */
  async *#inTime(events: AsyncIterable<GenerationEvent>): AsyncGenerator<GenerationEvent> {
    for await (const event of events) {
      if (isTooLate(event)) throw this.#refusal('timed_out');
      yield event;
    }
  }

  /** The next engine that is ready; null where there is none before the wait is over, or nobody wants one any more. */
  async #engineInTime(flight: Flight): Promise<PooledEngine | null> {
    const { request, signal, startedAt } = flight;
    const waitUntil = performance.now() + this.#options.retryWaitMs;
    const deadline = startedAt + (request.timeoutMs ?? Infinity);
    while (!this.#closing && !signal.aborted) {
      const engine = this.#choose(request);
      if (engine !== null) return engine;
      const now = performance.now();
      if (now >= deadline) throw this.#refusal('timed_out');
      if (now >= waitUntil) return null;
      await this.#change(signal, Math.min(deadline, waitUntil) - now);
    }
    return null;
  }

  /** Resolves when an engine becomes ready, the signal is aborted, the pool closes or the time is over. */
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
    if (numSlots > 0 && this.#flights.size >= numSlots + this.#options.maxWaiting) {
      throw this.#refusal('queue_full');
    }
    const engine = this.#choose(request);
    if (engine === null) throw new EngineUnavailableError('not_ready', NOT_READY_SECONDS);
    return engine;
  }

  #choose({ group, promptTokenIds, images }: GenerationRequest): PooledEngine | null {
    const { router, imageTokenId } = this.#options;
    const spans = imageSpans(promptTokenIds, images, imageTokenId);
    const flights = [...this.#flights.values()];
    const loads = this.#engines.map((engine) => ({
      isReady: isReady(engine),
      load: flights.filter((flight) => flight.engine === engine).length,
    }));
    const route = router.route({ group, tokenIds: promptTokenIds, images: spans }, loads);
    return route === null ? null : (this.#engines[route.engine] ?? null);
  }

  /** Of all engines that are ready. */
  #numSlots(): number {
    const ready = this.#engines.filter(isReady);
    return ready.reduce((sum, { limits }) => sum + (limits?.numSlots ?? 0), 0);
  }

  #finished(finish: FinishEvent): FinishEvent {
    // The one that ends is among them still.
    this.#rate.finished(performance.now(), this.#flights.size > this.#numSlots());
    return finish;
  }

  #unfinished({ request, signal }: Flight): FinishEvent {
    return unfinished(request, signal.aborted ? null : this.#closing ? CLOSING : GONE);
  }

  #refusal(reason: 'queue_full' | 'timed_out'): EngineUnavailableError {
    return new EngineUnavailableError(reason, this.#rate.secondsUntilFree());
  }
}

function isReady(engine: PooledEngine): boolean {
  return engine.status().state === 'ready';
}
