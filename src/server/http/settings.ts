import type { HoldoutOptions } from '../request/holdout.ts';
import type { LoadPolicyOptions } from '../request/load-policy.ts';
import { DEFAULT_THINKING_POLICY, type ThinkingPolicy } from '../request/thinking-policy.ts';
import { type AccessSettings, DEFAULT_ACCESS } from './access/gate.ts';

/** What an operator may set of the HTTP surface. */
export interface HttpSettings {
  /** Largest request body; images travel in it as data URLs. */
  readonly bodyLimitBytes: number;
  /** Longest silence of an event stream: after it a comment line keeps proxies from closing the connection. */
  readonly pingIntervalMs: number;
  /** Time after which a client that takes nothing of its event stream is dropped; at least two pings. */
  readonly slowReaderMs: number;
  /** Time a client has to send its whole request, and its headers alone. */
  readonly requestTimeoutMs: number;
  readonly headersTimeoutMs: number;
  /** Largest headers, the URL among them. */
  readonly maxHeaderBytes: number;
  /** Most connections at once; more are closed. */
  readonly maxConnections: number;
  /** Idle time after which a kept-alive connection is closed. */
  readonly keepAliveTimeoutMs: number;
  /** Time running requests get to finish once the server is told to stop. */
  readonly drainMs: number;
  /** Certificate and private key in PEM; null serves plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly access: AccessSettings;
  /** Origins whose web pages may call the server from a browser. */
  readonly corsOrigins: readonly string[];
  /** Most choices (`n`) of one request. */
  readonly maxChoices: number;
  /** max_tokens of requests that name none; null gives them the rest of the slot. */
  readonly defaultMaxTokens: number | null;
  /** Time of requests that name none, from waiting to the last token; null for no limit. */
  readonly defaultTimeoutMs: number | null;
  /** Tokens of max_tokens that thinking cannot eat: the smaller of a count and a share. */
  readonly answerFloor: { readonly tokens: number; readonly share: number };
  readonly thinking: ThinkingPolicy;
  /** Leans against thinking as the load grows; null never does. */
  readonly load: LoadPolicyOptions | null;
  /** Makes a share of the requests in auto mode think, for comparison; null makes none. */
  readonly holdout: HoldoutOptions | null;
}

export const DEFAULT_HTTP_SETTINGS: HttpSettings = {
  bodyLimitBytes: 32 * 1024 * 1024,
  pingIntervalMs: 10_000,
  slowReaderMs: 60_000,
  requestTimeoutMs: 120_000,
  headersTimeoutMs: 20_000,
  maxHeaderBytes: 16 * 1024,
  maxConnections: 1024,
  keepAliveTimeoutMs: 72_000,
  drainMs: 30_000,
  tls: null,
  access: DEFAULT_ACCESS,
  corsOrigins: [],
  maxChoices: 8,
  defaultMaxTokens: null,
  defaultTimeoutMs: null,
  answerFloor: { tokens: 64, share: 0.25 },
  thinking: DEFAULT_THINKING_POLICY,
  load: null,
  holdout: null,
};
