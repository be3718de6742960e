import { setTimeout as sleep } from 'node:timers/promises';
import { ServerFailure } from './server-failure.ts';

export interface RetryOptions {
  /** Attempts after the first. */
  readonly retries: number;
  readonly signal: AbortSignal;
  /** Waits some milliseconds; tests put in their own. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;

/**
 * Tries again what may succeed later: after as long as the server asked for, else after waits that double, each
 * shortened by a random half so that many clients do not come back at once.
 * @throws ServerFailure the last one
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
