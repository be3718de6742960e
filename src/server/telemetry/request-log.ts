import { type DestinationStream, pino, stdTimeFunctions } from 'pino';
import type { SamplingParams } from '../../engine/sampling/params.ts';

/** One of several choices, or calls, of a request. */
export interface GenerationLogEntry {
  readonly decision: string | null;
  readonly source: string | null;
  readonly p_think: number | null;
  readonly p_think_steered: number | null;
  readonly residual: number | null;
  readonly budget_effective: number | null;
  readonly ended_by: string | null;
  readonly extensions: number;
  readonly loop_breaks: number;
  readonly finish_reason: string | null;
  readonly tokens: {
    readonly prompt: number;
    /** Of these, found in the cache. */
    readonly cached: number;
    readonly preamble: number;
    readonly reasoning: number;
    readonly answer: number;
    readonly forced: number;
  };
}

/** One request, as it went. Never holds text of a prompt or an answer. Times in milliseconds from arrival. */
export interface RequestLogEntry {
  readonly request_id: string;
  /** Id of the API key, never its value; null where there are no keys. */
  readonly key_id: string | null;
  /** Of its distributed trace; null where nothing is traced. */
  readonly trace_id: string | null;
  readonly completion_id: string | null;
  readonly model: string | null;
  readonly status: number;
  readonly error: string | null;
  readonly stream: boolean;
  readonly requested: string | null;
  /** Fields of the request that asked for a mode, an effort or a budget. */
  readonly asked_by: readonly string[];
  readonly decision: string | null;
  readonly source: string | null;
  readonly p_think: number | null;
  readonly p_think_steered: number | null;
  readonly residual: number | null;
  /** Drawn to think, to measure what auto mode saves; and the arm, where the request took part in that at all. */
  readonly holdout: boolean;
  readonly holdout_arm: 'auto' | 'think' | null;
  readonly num_choices: number;
  /** How the answer came out of several calls; null where there was one. */
  readonly strategy: string | null;
  /**
   * Each choice, or call of a strategy, on its own where there are several; empty where the line itself tells of the
   * only one.
   */
  readonly generations: readonly GenerationLogEntry[];
  /** Answered directly because the thinking quota of the key was used up. */
  readonly quota_fallback: boolean;
  readonly ended_by: string | null;
  /** Times the thinking was prolonged, and loops in it that were closed. */
  readonly extensions: number;
  readonly loop_breaks: number;
  readonly finish_reason: string | null;
  readonly budget: {
    readonly asked: number | null;
    readonly effective: number | null;
    readonly floor: number | null;
    readonly max_tokens: number | null;
  };
  /** Who leant on the model's choice: biases in logits, and the threshold in force. */
  readonly decisionBias: {
    readonly request: number;
    readonly policy: number;
    readonly load: number;
    readonly threshold: number | null;
  };
  readonly controls: {
    readonly extensions: number;
    readonly break_loops: boolean;
    readonly stop_in_thinking: boolean;
    readonly num_stop: number;
  };
  /** What the tokens were drawn with; null where it did not come to that. */
  readonly sampling: (Omit<SamplingParams, 'logitBias'> & { readonly numBiased: number }) | null;
  readonly tokens: {
    readonly prompt: number;
    readonly image: number;
    readonly cached: number;
    readonly preamble: number;
    readonly reasoning: number;
    readonly answer: number;
    /** Of these, written by the server in place of the model. */
    readonly forced: number;
  };
  readonly ms: {
    /** Images fetched and tiled, prompt written. */
    readonly prepare: number | null;
    readonly queue: number | null;
    /** The vision graph. */
    readonly image: number | null;
    readonly prefill: number | null;
    readonly first_token: number | null;
    readonly first_answer: number | null;
    readonly thinking: number | null;
    readonly total: number;
  };
}

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';

export interface RequestLog {
  write(entry: RequestLogEntry): void;
  /** What went wrong inside the server, for its operator alone. */
  failure(requestId: string, cause: unknown): void;
  /** What happened to the server itself. */
  note(level: 'info' | 'warn' | 'error', message: string): void;
}

/** Logs one JSON line per request; failures of the server itself at level error. */
export function createRequestLog(
  level: LogLevel = 'info',
  destination?: DestinationStream,
): RequestLog {
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime };
  const logger = destination === undefined ? pino(options) : pino(options, destination);
  return {
    write: (entry) => {
      const severity = entry.status >= 500 && entry.status !== 503 ? 'error' : 'info';
      logger[severity](entry, 'request');
    },
    failure: (requestId, cause) => {
      logger.error({ request_id: requestId, err: cause }, 'failure');
    },
    note: (severity, message) => logger[severity](message),
  };
}
