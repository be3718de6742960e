import {
  type EngineCounts,
  type GenerationEvent,
  type GenerationRequest,
  NO_TOTALS,
} from '../../engine/generation.ts';
import type { LoadMessage } from '../../engine/messages.ts';
import type { ModelLimits } from '../../engine/model-runner.ts';
import { EngineChild, type EventsMessage, type ReadyMessage } from './engine-child.ts';
import { EngineLostError, type EngineStatus } from './engine-client.ts';
import { addTotals } from './engine-status.ts';
import { PendingRequests } from './pending-requests.ts';

export interface EngineProcessOptions {
  /** Name in the log. */
  readonly name: string;
  readonly load: Omit<LoadMessage, 'type'>;
  /** Called each time the model is loaded, after a restart too. */
  readonly onReady: () => void;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

const NO_COUNTS: EngineCounts = {
  numRunning: 0,
  numWaiting: 0,
  numThinking: 0,
  kvCacheUsage: 0,
  totals: NO_TOTALS,
};

/**
 * The server's end of one engine process. When the process dies, its requests end with EngineLostError and the client
 * starts it again, after a pause that grows with each death.
 */
export class EngineProcessClient {
  readonly #options: EngineProcessOptions;
  readonly #pending = new PendingRequests();
  readonly #pause = new RestartPause();
  #child: EngineChild;
  #state: EngineStatus['state'] = 'loading';
  #counts: EngineCounts = NO_COUNTS;
  /** Totals of the processes before the present one. */
  #pastTotals = NO_TOTALS;
  #residentBytes = 0;
  #limits: ModelLimits | null = null;
  #restarts = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #closing = false;
  readonly #firstStart: Promise<void>;

  /** Starts the process. It takes requests once its model is loaded. */
  constructor(options: EngineProcessOptions) {
    this.#options = options;
    this.#child = this.#spawn();
    this.#firstStart = this.#start(this.#child);
    // `whenReady` reports a failure; without this line an unread rejection would end the server.
    this.#firstStart.catch(() => undefined);
  }

  /**
   * Waits until the model is loaded for the first time.
   * @throws Error with the engine's message when that load fails; the process is not started again then
   */
  async whenReady(): Promise<void> {
    try {
      await this.#firstStart;
    } catch (error) {
      this.#state = 'failed';
      await this.close();
      throw error;
    }
  }

  /** null until the model is loaded for the first time. */
  get limits(): ModelLimits | null {
    return this.#limits;
  }

  status(): Omit<EngineStatus, 'retried'> {
    // During a long step the engine does not report the requests that arrived meanwhile.
    const notRunning = this.#pending.size - this.#counts.numRunning;
    return {
      state: this.#state,
      ...this.#counts,
      numWaiting: Math.max(this.#counts.numWaiting, notRunning),
      totals: addTotals(this.#pastTotals, this.#counts.totals),
      restarts: this.#restarts,
      residentBytes: this.#residentBytes,
    };
  }

  /**
   * Submits the request at once. The caller must read the events; to stop reading them stops the work. When `signal`
   * aborts, the generation ends with finish reason `abort`.
   * @throws EngineLostError, from the iteration, when the process dies; SlowReaderError
   */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    const { id } = request;
    const child = this.#child;
    const abort = (): void => child.send({ type: 'abort', id });
    const events = this.#pending.add(id, () => {
      signal.removeEventListener('abort', abort);
      // The reader stopped before the finish.
      if (this.#pending.delete(id)) abort();
    });
    child.send({ type: 'submit', request });
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    return events;
  }

  answerNow(id: string): void {
    if (this.#pending.has(id)) this.#child.send({ type: 'answer-now', id });
  }

  /** Ends the process. Requests that are still in it are lost. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restartTimer);
    await this.#child.end();
  }

  #spawn(): EngineChild {
    const child = new EngineChild({
      load: this.#options.load,
      onEvents: (message) => this.#deliver(child, message),
      onEnd: (how) => this.#ended(child.ageMs, how),
    });
    return child;
  }

  async #start(child: EngineChild): Promise<void> {
    this.#ready(await child.ready);
  }

  #ready(message: ReadyMessage): void {
    const { limits, backend, device, deviceReason, runtimeVersion, fallbackReason } = message;
    this.#limits = limits;
    this.#state = 'ready';
    const { name, log, onReady } = this.#options;
    log(
      'info',
      `${name} ready: ONNX Runtime ${runtimeVersion}, ${backend} backend, on ${device}, ${limits.kvCacheType} KV cache`,
    );
    if (deviceReason !== null) log('info', `${name}: on ${device}: ${deviceReason}`);
    if (fallbackReason !== null) {
      log('warn', `${name}: the primary backend is not in use: ${fallbackReason}`);
    }
    onReady();
  }

  #deliver(child: EngineChild, { events, counts, residentBytes }: EventsMessage): void {
    this.#counts = counts;
    this.#residentBytes = residentBytes;
    for (const id of this.#pending.deliver(events)) child.send({ type: 'abort', id });
  }

  #ended(ageMs: number, how: string): void {
    this.#pastTotals = addTotals(this.#pastTotals, this.#counts.totals);
    this.#counts = NO_COUNTS;
    this.#residentBytes = 0;
    if (!this.#closing) this.#restartLater(ageMs, how);
    this.#pending.fail(new EngineLostError());
  }

  #restartLater(ageMs: number, how: string): void {
    this.#state = 'restarting';
    const pauseMs = this.#pause.afterEnd(ageMs);
    const { name, log } = this.#options;
    log('error', `${name}: its process ended with ${how}; starting again in ${pauseMs} ms`);
    this.#restartTimer = setTimeout(() => {
      this.#restarts++;
      this.#child = this.#spawn();
      this.#start(this.#child).catch(({ message }: Error) => log('error', `${name}: ${message}`));
    }, pauseMs);
  }
}

/** Pauses before the first, second, ... restart. */
const PAUSES_MS = [250, 1_000, 5_000, 15_000];
const LONGEST_PAUSE_MS = 30_000;
const HEALTHY_AFTER_MS = 60_000;

/** Pause before a dead process starts again. It grows with each death, until a process has run well for a minute. */
export class RestartPause {
  #ends = 0;

  /** @param ageMs how long the process ran */
  afterEnd(ageMs: number): number {
    if (ageMs > HEALTHY_AFTER_MS) this.#ends = 0;
    const pauseMs = PAUSES_MS[this.#ends] ?? LONGEST_PAUSE_MS;
    this.#ends += 1;
    return pauseMs;
  }
}
