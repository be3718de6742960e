import {
  type EngineCounts,
  type GenerationEvent,
  type GenerationRequest,
  NO_TOTALS,
} from '../../engine/generation.ts';
import type { LoadMessage } from '../../engine/messages.ts';
import type { ModelLimits } from '../../engine/model-runner.ts';
import { addTotals } from './add-totals.ts';
import { EngineChild, type EventsMessage, type ReadyMessage } from './engine-child.ts';
import type { EngineStatus } from './engine-client.ts';
import { EngineLostError } from './engine-lost-error.ts';
import { PendingRequests } from './pending-requests.ts';
import { RestartPause } from './restart-pause.ts';

export interface EngineProcessOptions {
  /** What the log calls it. */
  readonly name: string;
  readonly load: Omit<LoadMessage, 'type'>;
  /** Called whenever its model is loaded, after a restart too. */
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
 * One engine as the server sees it: a process that is started again, with growing pauses, when it dies. Requests that
 * were in a process that died end with EngineLostError.
 */
export class EngineProcessClient {
  readonly #options: EngineProcessOptions;
  readonly #pending = new PendingRequests();
  readonly #pause = new RestartPause();
  #child: EngineChild;
  #state: EngineStatus['state'] = 'loading';
  #counts: EngineCounts = NO_COUNTS;
  /** Of the processes before the present one. */
  #pastTotals = NO_TOTALS;
  #residentBytes = 0;
  #limits: ModelLimits | null = null;
  #restarts = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #closing = false;
  readonly #firstStart: Promise<void>;

  /** Starts the process at once; it takes requests when its model is loaded. */
  constructor(options: EngineProcessOptions) {
    this.#options = options;
    this.#child = this.#spawn();
    this.#firstStart = this.#start(this.#child);
    // Whoever waits for it hears of a failure; nobody has to.
    this.#firstStart.catch(() => undefined);
  }

  /**
   * Waits until the model is loaded for the first time.
   * @throws Error with the engine's own sentence when that load fails; the process is not started again then.
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

  /** null before the model was loaded for the first time. */
  get limits(): ModelLimits | null {
    return this.#limits;
  }

  status(): Omit<EngineStatus, 'retried'> {
    // A long step keeps the engine from telling of those that came meanwhile.
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
   * Submits at once; what is returned must be read. Aborting `signal` ends it with finish reason `abort`; to stop reading
   * it stops the work too.
   * @throws EngineLostError, from what is returned, when the process dies meanwhile; SlowReaderError
   */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    const { id } = request;
    const child = this.#child;
    const events = this.#pending.add(id);
    child.send({ type: 'submit', request });
    return this.#read(events, { signal, id, abort: () => child.send({ type: 'abort', id }) });
  }

  async *#read(
    events: AsyncIterable<GenerationEvent>,
    { signal, id, abort }: { signal: AbortSignal; id: string; abort: () => void },
  ): AsyncGenerator<GenerationEvent> {
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      yield* events;
    } finally {
      signal.removeEventListener('abort', abort);
      // A consumer that stopped reading early wants no more work done.
      if (this.#pending.delete(id)) abort();
    }
  }

  answerNow(id: string): void {
    if (this.#pending.has(id)) this.#child.send({ type: 'answer-now', id });
  }

  /** Ends the process; requests still in it are lost. */
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
