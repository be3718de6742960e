import { setTimeout as sleep } from 'node:timers/promises';

/** A request that the server did not answer. */
export class ServerFailure extends Error {
  override readonly name = 'ServerFailure';
  /**
   * `later`: a retry may help. `question`: this question cannot be answered. `all`: no question can be answered, because
   * the key, the model or the address is wrong.
   */
  readonly scope: 'later' | 'question' | 'all';
  /** Delay that the server asks for; null without a Retry-After header. */
  readonly retryAfterMs: number | null;

  constructor(
    message: string,
    scope: ServerFailure['scope'],
    details: { retryAfterMs?: number | null; cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause });
    this.scope = scope;
    this.retryAfterMs = details.retryAfterMs ?? null;
  }
}

const LATER = new Set([408, 409, 425, 429]);
const ALL = new Set([401, 402, 403, 404, 405]);

/** Scope of a failure, from the HTTP status. */
export function failureScope(status: number): ServerFailure['scope'] {
  if (LATER.has(status) || status >= 500) return 'later';
  return ALL.has(status) ? 'all' : 'question';
}

/** Reads a Retry-After header: seconds or a date (RFC 9110). @returns milliseconds */
export function retryAfterMs(header: string | null, now: number = Date.now()): number | null {
  if (header === null || header.trim() === '') return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

export interface RetryOptions {
  /** Number of attempts after the first. */
  readonly retries: number;
  readonly signal: AbortSignal;
  /** Waits; tests pass their own. Default: a timer. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;

/**
 * Retries an attempt that fails with scope `later`. The delay is the server's Retry-After, else exponential backoff
 * with jitter, so that many clients do not retry at once.
 * @throws ServerFailure of the last attempt
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  { retries, signal, wait = pause }: RetryOptions,
): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      const mayHelp = error instanceof ServerFailure && error.scope === 'later';
      if (!mayHelp || failures >= retries || signal.aborted) throw error;
      const backoff = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
      await wait(error.retryAfterMs ?? backoff * (0.5 + Math.random() / 2), signal);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
}
