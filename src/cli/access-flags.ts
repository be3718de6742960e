import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type ApiKey, KeyRing, parseApiKeys } from '../server/http/access/api-keys.ts';
import { type AccessSettings, isLoopbackHost } from '../server/http/access/gate.ts';
import type { HttpSettings } from '../server/http/settings.ts';
import { readEnvironment } from './environment.ts';
import type { OptionRow } from './option-row.ts';

const KEYS_VARIABLE = 'THINKGATE_API_KEYS';

const origins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .pipe(
    z.array(z.string().regex(/^https?:\/\/[^/]+$/, 'must be origins like https://app.example.com')),
  );

/** Who may call the server and how much, as `thinkgate serve` takes it. */
export const accessFlagsShape = {
  apiKeyFile: z.string().min(1).optional(),
  allowAnonymous: z.boolean(),
  openMetrics: z.boolean(),
  requestsPerMinute: z.coerce.number().int().min(1).optional(),
  thinkingQuota: z.coerce.number().int().min(1).optional(),
  thinkingQuotaWindow: z.coerce.number().positive(),
  corsOrigins: origins.optional(),
  tlsCert: z.string().min(1).optional(),
  tlsKey: z.string().min(1).optional(),
} as const;

export const ACCESS_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--api-key-file <file>',
    env: 'THINKGATE_API_KEY_FILE',
    description: `API keys, one id:value a line; ${KEYS_VARIABLE} holds more, separated by commas`,
  },
  {
    flags: '--allow-anonymous',
    env: 'THINKGATE_ALLOW_ANONYMOUS',
    description: 'without API keys, let other machines use the server too',
    default: false,
  },
  {
    flags: '--open-metrics',
    env: 'THINKGATE_OPEN_METRICS',
    description: 'let GET /metrics be read without an API key',
    default: false,
  },
  {
    flags: '--requests-per-minute <count>',
    env: 'THINKGATE_REQUESTS_PER_MINUTE',
    description: 'requests one API key may send (default: no limit)',
  },
  {
    flags: '--thinking-quota <tokens>',
    env: 'THINKGATE_THINKING_QUOTA',
    description:
      'thinking tokens one API key may use in the window; then its auto requests are answered directly (default: no limit)',
  },
  {
    flags: '--thinking-quota-window <seconds>',
    env: 'THINKGATE_THINKING_QUOTA_WINDOW',
    description: 'window of --thinking-quota',
    default: '60',
  },
  {
    flags: '--cors-origins <list>',
    env: 'THINKGATE_CORS_ORIGINS',
    description: 'origins whose web pages may call the server, separated by commas (default: none)',
  },
  {
    flags: '--tls-cert <file>',
    env: 'THINKGATE_TLS_CERT',
    description: 'certificate chain in PEM: serves HTTPS, with --tls-key',
  },
  {
    flags: '--tls-key <file>',
    env: 'THINKGATE_TLS_KEY',
    description: 'private key of --tls-cert in PEM',
  },
];

type AccessFlags = z.output<z.ZodObject<typeof accessFlagsShape>>;

/**
 * Reads the keys. A server without any is open, and then may listen on this machine alone unless the operator insists.
 * @throws Error with one sentence saying what to do
 */
export async function toAccess(
  flags: AccessFlags,
  { host }: { readonly host: string },
): Promise<AccessSettings> {
  const keys = new KeyRing(await readKeys(flags.apiKeyFile));
  if (keys.isEmpty && !flags.allowAnonymous && !isLoopbackHost(host)) {
    throw new Error(
      `--host ${host} lets other machines use the server, and there are no API keys. Give keys with --api-key-file or ${KEYS_VARIABLE}, or insist with --allow-anonymous.`,
    );
  }
  return {
    keys,
    allowAnonymous: flags.allowAnonymous,
    openMetrics: flags.openMetrics,
    quotas: {
      requestsPerMinute: flags.requestsPerMinute ?? null,
      thinkingTokens: flags.thinkingQuota ?? null,
      thinkingWindowSeconds: flags.thinkingQuotaWindow,
    },
  };
}

async function readKeys(file: string | undefined): Promise<ApiKey[]> {
  const listed = readEnvironment(KEYS_VARIABLE)?.replaceAll(',', '\n') ?? '';
  const filed = file === undefined ? '' : await readOption(file, '--api-key-file');
  const keys = [...parseApiKeys(filed, file ?? ''), ...parseApiKeys(listed, KEYS_VARIABLE)];
  if (file !== undefined && keys.length === 0) {
    throw new Error(`--api-key-file ${file} holds no key.`);
  }
  return keys;
}

/** @throws Error when one of the two files is missing or cannot be read */
export async function readTls({
  tlsCert,
  tlsKey,
}: Pick<AccessFlags, 'tlsCert' | 'tlsKey'>): Promise<HttpSettings['tls']> {
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert === undefined) throw new Error('--tls-key needs --tls-cert.');
  if (tlsKey === undefined) throw new Error('--tls-cert needs --tls-key.');
  return {
    cert: await readOption(tlsCert, '--tls-cert'),
    key: await readOption(tlsKey, '--tls-key'),
  };
}

async function readOption(file: string, flag: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`${flag} ${file} cannot be read.`, { cause: error });
  }
}
