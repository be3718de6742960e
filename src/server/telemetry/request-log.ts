import { type DestinationStream, pino, stdTimeFunctions } from 'pino';
import type { SamplingParams } from '../../engine/sampling/params.ts';

/** One of several generations of a request: a choice, or a call of a strategy. */
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
    /** Prompt tokens found in the prefix cache. */
    readonly cached: number;
    readonly preamble: number;
    readonly reasoning: number;
    readonly answer: number;
    readonly forced: number;
  };
}

/** The log line of one request. It never holds text of a prompt or an answer. Times are milliseconds from arrival. */
export interface RequestLogEntry {
  readonly request_id: string;
  /** Id of the API key, never its value; null without keys. */
  readonly key_id: string | null;
  /** Id of the distributed trace; null without tracing. */
  readonly trace_id: string | null;
  readonly completion_id: string | null;
  readonly model: string | null;
  readonly status: number;
  readonly error: string | null;
  readonly stream: boolean;
  readonly requested: string | null;
  /** Fields of the request that ask for a mode, an effort or a budget. */
  readonly asked_by: readonly string[];
  readonly decision: string | null;
  readonly source: string | null;
  readonly p_think: number | null;
  readonly p_think_steered: number | null;
  readonly residual: number | null;
  /** Whether the hold-out made the request think; and its arm, null when it is not part of the experiment. */
  readonly holdout: boolean;
  readonly holdout_arm: 'auto' | 'think' | null;
  readonly num_choices: number;
  /** Name of the strategy that answered with several calls; null without one. */
  readonly strategy: string | null;
  /** One entry per generation when there are several; empty when the line itself describes the only one. */
  readonly generations: readonly GenerationLogEntry[];
  /** Whether the answer is direct because the thinking quota of the key was used up. */
  readonly quota_fallback: boolean;
  readonly ended_by: string | null;
  /** Extensions of the thinking (budget forcing), and repetition loops that closed it. */
  readonly extensions: number;
  readonly loop_breaks: number;
  readonly finish_reason: string | null;
  readonly budget: {
    readonly asked: number | null;
    readonly effective: number | null;
    readonly floor: number | null;
    readonly max_tokens: number | null;
  };
  /** Biases on the decision in logits, by source, and the threshold in force. */
  readonly decision_bias: {
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
  /** Sampling parameters; null when the request ended before they were known. */
  readonly sampling: (Omit<SamplingParams, 'logitBias'> & { readonly numBiased: number }) | null;
  readonly tokens: {
    readonly prompt: number;
    readonly image: number;
    readonly cached: number;
    readonly preamble: number;
    readonly reasoning: number;
    readonly answer: number;
    /** Generated tokens that the server wrote and the model did not sample. */
    readonly forced: number;
  };
  readonly ms: {
    /** Images fetched and tiled, prompt rendered. */
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
  /** Logs a request that has ended. */
  write(entry: RequestLogEntry): void;
  /** Logs an internal error with its cause, which clients never see. */
  failure(requestId: string, cause: unknown): void;
  /** Logs an event of the server itself. */
  note(level: 'info' | 'warn' | 'error', message: string): void;
}

/** Logs one JSON line per request, at level error when the server failed. */
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
