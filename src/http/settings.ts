import type { LoadPolicyOptions } from '../thinking/load-policy.ts';
import { DEFAULT_THINKING_POLICY, type ThinkingPolicy } from './thinking-policy.ts';

/** What an operator may set of the HTTP surface. */
export interface HttpSettings {
  /** Largest request body; pictures travel in it as data URLs. */
  readonly bodyLimitBytes: number;
  /** Longest silence of an event stream: after it a comment line keeps proxies from closing the connection. */
  readonly pingIntervalMs: number;
  /** Time a client has to send its whole request. */
  readonly requestTimeoutMs: number;
  /** Idle time after which a kept-alive connection is closed. */
  readonly keepAliveTimeoutMs: number;
  /** max_tokens of requests that name none; null gives them the rest of the slot. */
  readonly defaultMaxTokens: number | null;
  /** Tokens of max_tokens that thinking cannot eat: the smaller of a count and a share. */
  readonly answerFloor: { readonly tokens: number; readonly share: number };
  readonly thinking: ThinkingPolicy;
  /** Leans against thinking as the load grows; null never does. */
  readonly load: LoadPolicyOptions | null;
}

export const DEFAULT_HTTP_SETTINGS: HttpSettings = {
  bodyLimitBytes: 32 * 1024 * 1024,
  pingIntervalMs: 10_000,
  requestTimeoutMs: 120_000,
  keepAliveTimeoutMs: 72_000,
  defaultMaxTokens: null,
  answerFloor: { tokens: 64, share: 0.25 },
  thinking: DEFAULT_THINKING_POLICY,
  load: null,
};
