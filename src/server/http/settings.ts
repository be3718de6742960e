import type { HoldoutOptions } from '../request/holdout.ts';
import type { LoadPolicyOptions } from '../request/load-policy.ts';
import type { ThinkingPolicy } from '../request/thinking-policy.ts';
import type { AccessSettings } from './access/access-check.ts';

/** Settings of the HTTP server. */
export interface HttpSettings {
  /** Largest request body; images travel in it as data URLs. */
  readonly bodyLimitBytes: number;
  /** Longest silence of an event stream. Then a ping keeps proxies from closing the connection. */
  readonly pingIntervalMs: number;
  /** Time after which the server closes an event stream that the client does not read; at least two pings. */
  readonly slowReaderMs: number;
  /** Time in which a whole request must arrive. */
  readonly requestTimeoutMs: number;
  /** Time in which the headers of a request must arrive. */
  readonly headersTimeoutMs: number;
  /** Largest headers, including the URL. */
  readonly maxHeaderBytes: number;
  /** Most connections at once; further connections are closed. */
  readonly maxConnections: number;
  /** Idle time after which a kept-alive connection is closed. */
  readonly keepAliveTimeoutMs: number;
  /** Time in which running requests may finish after the server is told to stop. */
  readonly drainMs: number;
  /** Certificate and private key in PEM; null serves plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly access: AccessSettings;
  /** Origins whose web pages may call the server from a browser. */
  readonly corsOrigins: readonly string[];
  /** Most choices (`n`) of one request. */
  readonly maxChoices: number;
  /** max_tokens of requests without it; null for the rest of the slot. */
  readonly defaultMaxTokens: number | null;
  /** Time limit of requests without one, from arrival to the last token; null for no limit. */
  readonly defaultTimeoutMs: number | null;
  /** Tokens of max_tokens that are reserved for the answer: the smaller of a count and a share. */
  readonly answerFloor: { readonly tokens: number; readonly share: number };
  readonly thinking: ThinkingPolicy;
  /** Bias against thinking that grows with the load; null for none. */
  readonly load: LoadPolicyOptions | null;
  /** Hold-out experiment: a share of the requests in auto mode thinks, for comparison; null for none. */
  readonly holdout: HoldoutOptions | null;
}
