import { ApiError } from '../errors.ts';
import { TokenBucket } from './token-bucket.ts';

/** What one key may use; null sets no limit. */
export interface QuotaLimits {
  readonly requestsPerMinute: number | null;
  /** Thinking tokens within `thinkingWindowSeconds`. */
  readonly thinkingTokens: number | null;
  readonly thinkingWindowSeconds: number;
}

export const NO_QUOTAS: QuotaLimits = {
  requestsPerMinute: null,
  thinkingTokens: null,
  thinkingWindowSeconds: 60,
};

const MINUTE_MS = 60_000;

/** What is left of one key's limits. */
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

  /** @throws ApiError when the key has sent its requests */
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

  /** Whether the thinking tokens are used up, so that new requests are answered directly. */
  get isThinkingSpent(): boolean {
    return this.#thinking !== null && this.#thinking.level < 1;
  }

  spendThinking(tokens: number): void {
    this.#thinking?.take(tokens);
  }

  /** The refusal of a request that insists on thinking. */
  thinkingRefusal(field: string): ApiError {
    const waitMs = this.#thinking?.msUntil(1) ?? 0;
    const { thinkingTokens, thinkingWindowSeconds } = this.#limits;
    return new ApiError(
      'thinking_quota_exceeded',
      `\`${field}\` asks for thinking, but the thinking quota of this key, ${thinkingTokens} tokens in ${thinkingWindowSeconds} s, is used up; there is room again in ${seconds(waitMs)}. Other modes are answered directly meanwhile.`,
      { param: field, retryAfterSeconds: waitMs / 1000 },
    );
  }

  /** The state as OpenAI's headers put it, with thinking tokens beside requests. */
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

/** `850ms`, `12s`, `6m0s`: the form of OpenAI's reset headers. */
function duration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const total = Math.ceil(ms / 1000);
  return total < 60 ? `${total}s` : `${Math.floor(total / 60)}m${total % 60}s`;
}
