import type { EngineCounts, GenerationEvent, GenerationRequest } from '../../engine/generation.ts';
import type { ModelLimits } from '../../engine/model-runner.ts';

/** State of an engine for metrics and readiness. Its totals add up all processes that it has had. */
export interface EngineStatus extends EngineCounts {
  readonly state: 'loading' | 'ready' | 'restarting' | 'failed';
  readonly restarts: number;
  /** Requests that were started again after the process died, before their clients had received anything. */
  readonly retried: number;
  /** Resident memory of the process; 0 while there is none. */
  readonly residentBytes: number;
}

/** The engines as the HTTP server uses them. The pool implements this; tests use a fake. */
export interface EngineClient {
  /** Streams the events of a request. Aborting `signal` ends it within one step, with finish reason `abort`. */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  /**
   * Ends the thinking of a running request with the next token, or as soon as the thinking begins. A request that is
   * already at its answer goes on unchanged.
   * @returns false when there is no such request
   */
  answerNow(id: string): boolean;
  /** Sum over all engines. */
  status(): EngineStatus;
  /** Status of each engine; there is at least one. */
  engines(): readonly EngineStatus[];
  readonly limits: Pick<ModelLimits, 'slotCapacity' | 'vocabSize' | 'kvCacheType'>;
}

/** Why an engine did not take a request. `timed_out`: its time limit passed before its first token. */
export type UnavailableReason = 'queue_full' | 'not_ready' | 'timed_out';

const SENTENCES: Readonly<Record<UnavailableReason, string>> = {
  queue_full: 'The waiting queue is full.',
  not_ready: 'The engine is not ready.',
  timed_out: 'The time of the request was over before its first token.',
};

/** No engine can take the request now; the client may retry after `retryAfterSeconds`. */
export class EngineUnavailableError extends Error {
  override readonly name = 'EngineUnavailableError';
  readonly reason: UnavailableReason;
  readonly retryAfterSeconds: number;
  constructor(reason: UnavailableReason, retryAfterSeconds: number) {
    super(SENTENCES[reason]);
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The reader of a generation fell too far behind, so the generation was ended. */
export class SlowReaderError extends Error {
  override readonly name = 'SlowReaderError';
  constructor(limit: number) {
    super(`The reader fell more than ${limit} events behind.`);
  }
}

/** The process that worked on the request ended, and the request has no finish. */
export class EngineLostError extends Error {
  override readonly name = 'EngineLostError';
  constructor() {
    super('The engine process ended while it worked on the request.');
  }
}
