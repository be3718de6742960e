import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  type EngineClient,
  type EngineCounts,
  type EngineStatus,
  EngineUnavailableError,
  type FinishEvent,
  type GenerationEvent,
  type GenerationRequest,
  NO_TOTALS,
  SlowReaderError,
} from '../engine/generation.ts';
import type { ModelLimits } from '../engine/model-runner.ts';
import { addTotals } from './add-totals.ts';
import { EventQueue } from './event-queue.ts';
import type { FromEngine, LoadMessage, ToEngine } from './messages.ts';
import { RateEstimate } from './rate-estimate.ts';

export interface EngineProcessOptions {
  readonly load: Omit<LoadMessage, 'type'>;
  /** Requests that may wait beyond those that run. */
  readonly maxWaiting: number;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

/** Events kept for one reader; each is a token or so. */
const MAX_UNREAD_EVENTS = 2048;

/** Pauses before the first, second, ... restart; the last one repeats. A long healthy run starts over. */
const RESTART_DELAYS_MS = [250, 1_000, 5_000, 15_000, 30_000];
const HEALTHY_AFTER_MS = 60_000;

const NO_COUNTS: EngineCounts = {
  numRunning: 0,
  numWaiting: 0,
  numThinking: 0,
  kvCacheUsage: 0,
  totals: NO_TOTALS,
};

/** A request whose events are still coming. */
interface Pending {
  readonly request: GenerationRequest;
  readonly queue: EventQueue<GenerationEvent>;
}

/**
 * The engine process as the server sees it: starts it, passes requests and aborts in and events out, and starts it
 * again, with growing pauses, when it dies. Requests that were in a process that died end with an error event.
 */
export class EngineProcessClient implements EngineClient {
  readonly #options: EngineProcessOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #rate = new RateEstimate();
  #child: ChildProcess | undefined;
  #state: EngineStatus['state'] = 'loading';
  #counts: EngineCounts = NO_COUNTS;
  /** Of the processes before the present one. */
  #pastTotals = NO_TOTALS;
  #residentBytes = 0;
  #limits: ModelLimits | undefined;
  #restarts = 0;
  #failedStarts = 0;
  #startedAt = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #closing = false;

  readonly #firstStart: Promise<void>;

  /** Starts the process at once; requests are refused until its model is loaded. */
  constructor(options: EngineProcessOptions) {
    this.#options = options;
    this.#firstStart = this.#spawn();
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

  get limits(): ModelLimits {
    if (this.#limits === undefined) throw new EngineUnavailableError('not_ready', 1);
    return this.#limits;
  }

  /** Process id of the engine, for operators and tests; undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  status(): EngineStatus {
    const totals = addTotals(this.#pastTotals, this.#counts.totals);
    // A long step keeps the engine from telling of those that came meanwhile.
    const notRunning = this.#pending.size - this.#counts.numRunning;
    return {
      state: this.#state,
      ...this.#counts,
      numWaiting: Math.max(this.#counts.numWaiting, notRunning),
      totals,
      restarts: this.#restarts,
      residentBytes: this.#residentBytes,
    };
  }

  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    this.#admit();
    const queue = new EventQueue<GenerationEvent>();
    this.#pending.set(request.id, { request, queue });
    const abort = (): void => this.#send({ type: 'abort', id: request.id });
    this.#send({ type: 'submit', request });
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      for await (const event of queue) {
        if (isTooLate(event)) throw this.#refusal('timed_out');
        yield event;
      }
    } finally {
      signal.removeEventListener('abort', abort);
      // A consumer that stopped reading early wants no more work done.
      if (this.#pending.delete(request.id)) abort();
    }
  }

  answerNow(id: string): boolean {
    if (!this.#pending.has(id)) return false;
    this.#send({ type: 'answer-now', id });
    return true;
  }

  /** Ends the process; requests still in it end with an error event. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restartTimer);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(timer);
  }

  #admit(): void {
    if (this.#state !== 'ready') throw new EngineUnavailableError('not_ready', 5);
    const { numSlots } = this.limits;
    if (this.#pending.size >= numSlots + this.#options.maxWaiting) {
      throw this.#refusal('queue_full');
    }
  }

  #refusal(reason: 'queue_full' | 'timed_out'): EngineUnavailableError {
    return new EngineUnavailableError(reason, this.#rate.secondsUntilFree());
  }

  async #spawn(): Promise<void> {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const entry = fileURLToPath(new URL(`./engine-process.${extension}`, import.meta.url));
    const child = fork(entry, {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.#startedAt = performance.now();
    await new Promise<void>((resolve, reject) => {
      const exited = (code: number | null, signal: string | null): void => {
        const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
        reject(new Error(`The engine process ended with ${how}.`));
        this.#exited(how);
      };
      child.once('error', reject);
      child.once('exit', exited);
      child.on('message', (message) => {
        const received = message as FromEngine;
        if (received.type === 'events') this.#deliver(received);
        else if (received.type === 'ready') resolve(this.#ready(received));
        else {
          // The process is of no use without its model; its exit leads to the next try.
          reject(new Error(received.message));
          child.disconnect();
        }
      });
      child.send({ type: 'load', ...this.#options.load } satisfies ToEngine);
    });
  }

  #ready(message: Extract<FromEngine, { type: 'ready' }>): void {
    this.#limits = message.limits;
    this.#state = 'ready';
    const { backend, runtimeVersion, fallbackReason } = message;
    this.#options.log('info', `engine ready: ONNX Runtime ${runtimeVersion}, ${backend} backend`);
    if (fallbackReason !== null) {
      this.#options.log('warn', `the primary backend is not in use: ${fallbackReason}`);
    }
  }

  #deliver({ events, counts, residentBytes }: Extract<FromEngine, { type: 'events' }>): void {
    this.#counts = counts;
    this.#residentBytes = residentBytes;
    for (const { id, event } of events) {
      const pending = this.#pending.get(id);
      if (pending === undefined) continue;
      pending.queue.push(event);
      if (event.type !== 'finish') {
        if (pending.queue.length > MAX_UNREAD_EVENTS) this.#drop(id, pending.queue);
        continue;
      }
      this.#pending.delete(id);
      const isFull = this.#pending.size >= this.limits.numSlots;
      this.#rate.finished(performance.now(), isFull);
      pending.queue.end();
    }
  }

  /** Ends a request whose reader has fallen behind, so that what it does not read does not pile up. */
  #drop(id: string, queue: EventQueue<GenerationEvent>): void {
    this.#pending.delete(id);
    this.#send({ type: 'abort', id });
    queue.fail(new SlowReaderError(MAX_UNREAD_EVENTS));
  }

  #exited(how: string): void {
    this.#child = undefined;
    this.#pastTotals = addTotals(this.#pastTotals, this.#counts.totals);
    this.#counts = NO_COUNTS;
    this.#residentBytes = 0;
    for (const { request, queue } of this.#pending.values()) {
      queue.push(lostRequest(request, this.#closing));
      queue.end();
    }
    this.#pending.clear();
    if (this.#closing) return;
    this.#state = 'restarting';
    const healthy = performance.now() - this.#startedAt > HEALTHY_AFTER_MS;
    this.#failedStarts = healthy ? 0 : this.#failedStarts + 1;
    const step = Math.min(this.#failedStarts, RESTART_DELAYS_MS.length) - 1;
    const delayMs = RESTART_DELAYS_MS[Math.max(0, step)] ?? 0;
    this.#options.log('error', `engine process ended with ${how}; starting again in ${delayMs} ms`);
    this.#restartTimer = setTimeout(() => this.#restart(), delayMs);
  }

  #restart(): void {
    this.#restarts++;
    this.#spawn().catch((error: Error) => this.#options.log('error', error.message));
  }

  #send(message: ToEngine): void {
    if (this.#child?.connected) this.#child.send(message);
  }
}

/** Its time was over before it had anything to show: nothing is lost by trying again. */
function isTooLate(event: GenerationEvent): boolean {
  return (
    event.type === 'finish' && event.reason === 'timeout' && event.usage.completionTokens === 0
  );
}

/** What a client of a process that died is told. */
function lostRequest(request: GenerationRequest, closing: boolean): FinishEvent {
  return {
    type: 'finish',
    reason: 'error',
    stopString: null,
    thinkingEnd: 'error',
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
    timing: {
      queueMs: 0,
      visionMs: 0,
      prefillMs: 0,
      firstTokenMs: null,
      firstAnswerMs: null,
      thinkingMs: 0,
      decodeMs: 0,
      totalMs: 0,
    },
    message: closing
      ? 'The server is shutting down and could not finish this request in time.'
      : 'The engine stopped while it worked on this request; it is being restarted.',
    detail: null,
  };
}
