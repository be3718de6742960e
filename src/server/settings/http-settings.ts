import { DEFAULTS, type ResolvedConfig } from '../../config/config.ts';
import { KeyRing } from '../http/access/api-keys.ts';
import type { HttpSettings } from '../http/settings.ts';
import { secureRandom } from '../request/holdout.ts';
import { accessSettings } from './access-settings.ts';
import { engineCount } from './engine-settings.ts';
import { thinkingPolicy } from './thinking-settings.ts';

const BYTES_PER_MB = 1024 * 1024;

/** Settings that need more than the config: files are read, and options are checked against the model. */
type Prepared = Pick<HttpSettings, 'access' | 'tls' | 'thinking'>;

/** @throws Error where the options of the engines contradict each other */
export function httpSettings(
  { http, thinking, engine }: Pick<ResolvedConfig, 'http' | 'thinking' | 'engine'>,
  prepared: Prepared,
): HttpSettings {
  const { holdoutShare, loadBias } = thinking;
  const numSlots = engine.maxNumSeqs * engineCount(engine).numEngines;
  return {
    ...prepared,
    bodyLimitBytes: Math.round(http.bodyLimitMb * BYTES_PER_MB),
    pingIntervalMs: 10_000,
    slowReaderMs: milliseconds(http.slowReaderTimeout),
    requestTimeoutMs: milliseconds(http.requestTimeout),
    headersTimeoutMs: milliseconds(http.headerTimeout),
    maxHeaderBytes: 16 * 1024,
    maxConnections: http.maxConnections,
    keepAliveTimeoutMs: 72_000,
    drainMs: milliseconds(http.drainTimeout),
    corsOrigins: http.allowedOrigins ?? [],
    maxChoices: http.maxChoices,
    defaultMaxTokens: http.maxTokens,
    defaultTimeoutMs: http.deadline === null ? null : http.deadline * 1000,
    answerFloor: { tokens: thinking.answerFloor, share: 0.25 },
    load: loadBias === null ? null : { maxBias: loadBias, numSlots },
    holdout: holdoutShare === null ? null : { share: holdoutShare, random: secureRandom },
  };
}

/** The settings of a server that is started with nothing but a package. */
export const DEFAULT_HTTP_SETTINGS: HttpSettings = httpSettings(DEFAULTS, {
  access: accessSettings(DEFAULTS.access, new KeyRing([])),
  tls: null,
  thinking: thinkingPolicy(DEFAULTS.thinking),
});

function milliseconds(seconds: number): number {
  return Math.ceil(seconds * 1000);
}
