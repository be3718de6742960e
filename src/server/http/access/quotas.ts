import { ApiError } from '../errors.ts';

/** Limits of one key; null is no limit. */
export interface QuotaLimits {
  readonly requestsPerMinute: number | null;
  /** Thinking tokens within `thinkingWindowSeconds`. */
  readonly thinkingTokens: number | null;
  readonly thinkingWindowSeconds: number;
}

const MINUTE_MS = 60_000;

/** The remaining quota of one key. */
export class Quotas {
  readonly #limits: QuotaLimits;
  readonly #requests: TokenBucket | null;
  readonly #thinking: TokenBucket | null;

  constructor(limits: QuotaLimits, now?: () => number) {
    const { requestsPerMinute, thinkingTokens, thinkingWindowSeconds } = limits;
    this.#limits = limits;
    this.#requests = bucket(requestsPerMinute, MINUTE_MS, now);
    this.#thinking = bucket(thinkingTokens, thinkingWindowSeconds * 1000, now);
  }

  /** @throws ApiError when the key has no requests left */
  countRequest(): void {
    if (this.#requests === null) return;
    const waitMs = this.#requests.msUntil(1);
    if (waitMs === 0) {
      this.#requests.take(1);
      return;
    }
    throw new ApiError(
      'rate_limit_exceeded',
      `This key may send ${this.#requests.capacity} requests a minute and has sent them; there is room again in ${seconds(waitMs)}.`,
      { retryAfterSeconds: waitMs / 1000 },
    );
  }

  /** Whether the thinking tokens are used up. New requests are then answered directly. */
  get isThinkingSpent(): boolean {
    return this.#thinking !== null && this.#thinking.level < 1;
  }

  spendThinking(tokens: number): void {
    this.#thinking?.take(tokens);
  }

  /** The error of a request that insists on thinking. */
  thinkingRefusal(field: string): ApiError {
    const waitMs = this.#thinking?.msUntil(1) ?? 0;
    const { thinkingTokens, thinkingWindowSeconds } = this.#limits;
    return new ApiError(
      'thinking_quota_exceeded',
      `\`${field}\` asks for thinking, but the thinking quota of this key, ${thinkingTokens} tokens in ${thinkingWindowSeconds} s, is used up; there is room again in ${seconds(waitMs)}. Other modes are answered directly meanwhile.`,
      { param: field, retryAfterSeconds: waitMs / 1000 },
    );
  }

  /** The state in the headers of OpenAI's API, with thinking tokens in addition to requests. */
  headers(): Record<string, string> {
    return {
      ...bucketHeaders('requests', this.#requests),
      ...bucketHeaders('thinking-tokens', this.#thinking),
    };
  }
}

function bucket(
  capacity: number | null,
  windowMs: number,
  now: (() => number) | undefined,
): TokenBucket | null {
  return capacity === null ? null : new TokenBucket({ capacity, windowMs }, now);
}

function bucketHeaders(what: string, bucket: TokenBucket | null): Record<string, string> {
  if (bucket === null) return {};
  return {
    [`x-ratelimit-limit-${what}`]: String(bucket.capacity),
    [`x-ratelimit-remaining-${what}`]: String(Math.max(0, Math.floor(bucket.level))),
    [`x-ratelimit-reset-${what}`]: duration(bucket.msUntil(bucket.capacity)),
  };
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 100) / 10} s`;
}

/** `850ms`, `12s`, `6m0s`: the format of OpenAI's reset headers. */
function duration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const total = Math.ceil(ms / 1000);
  return total < 60 ? `${total}s` : `${Math.floor(total / 60)}m${total % 60}s`;
}

/**
 * A token bucket: it holds up to `capacity` and refills evenly within `windowMs`. Its level can fall below zero, because
 * the cost of some work is known only afterwards.
 */
export class TokenBucket {
  readonly capacity: number;
  readonly #perMs: number;
  readonly #now: () => number;
  #level: number;
  #filledAt: number;

  /** @param now milliseconds on a monotonic clock */
  constructor(
    { capacity, windowMs }: { readonly capacity: number; readonly windowMs: number },
    now: () => number = () => performance.now(),
  ) {
    this.capacity = capacity;
    this.#perMs = capacity / windowMs;
    this.#now = now;
    this.#level = capacity;
    this.#filledAt = now();
  }

  /** Present level; below 0 when more was taken than the bucket held. */
  get level(): number {
    const now = this.#now();
    const filled = this.#level + (now - this.#filledAt) * this.#perMs;
    this.#level = Math.min(this.capacity, filled);
    this.#filledAt = now;
    return this.#level;
  }

  /** Takes `amount`, even when the bucket does not hold that much. */
  take(amount: number): void {
    this.#level = this.level - amount;
  }

  /** Milliseconds until the bucket holds `amount`; 0 when it does now. */
  msUntil(amount: number): number {
    return Math.max(0, (amount - this.level) / this.#perMs);
  }
}
