import { readFile } from 'node:fs/promises';
import type { ResolvedConfig } from '../../config/config.ts';
import { type AccessSettings, isLoopbackHost } from '../http/access/access-check.ts';
import { type ApiKey, KeyRing, parseApiKeys } from '../http/access/api-keys.ts';
import type { HttpSettings } from '../http/settings.ts';

/**
 * Reads the API keys. A server without keys may listen on a loopback address only, unless the operator allows
 * anonymous requests.
 * @throws Error with one sentence that says what to do
 */
export async function readAccess({
  access,
  http: { host },
}: Pick<ResolvedConfig, 'access' | 'http'>): Promise<AccessSettings> {
  const keys = new KeyRing(await readKeys(access));
  if (keys.isEmpty && !access.allowAnonymous && !isLoopbackHost(host)) {
    throw new Error(
      `--host ${host} lets other machines use the server, and there are no API keys. Give keys with --api-key-file or THINKGATE_API_KEY, or insist with --allow-anonymous.`,
    );
  }
  return accessSettings(access, keys);
}

export function accessSettings(access: ResolvedConfig['access'], keys: KeyRing): AccessSettings {
  return {
    keys,
    allowAnonymous: access.allowAnonymous,
    openMetrics: access.openMetrics,
    quotas: {
      requestsPerMinute: access.requestsPerMinute,
      thinkingTokens: access.thinkingQuota,
      thinkingWindowSeconds: access.thinkingQuotaWindow,
    },
  };
}

async function readKeys({ apiKey, apiKeyFile }: ResolvedConfig['access']): Promise<ApiKey[]> {
  const listed = (apiKey ?? []).map((key, index) => withId(key, `key-${index + 1}`)).join('\n');
  const file = apiKeyFile === null ? '' : await readOption(apiKeyFile, '--api-key-file');
  const fromFile = parseApiKeys(file, apiKeyFile ?? '');
  if (apiKeyFile !== null && fromFile.length === 0) {
    throw new Error(`--api-key-file ${apiKeyFile} holds no key.`);
  }
  return [...fromFile, ...parseApiKeys(listed, '--api-key')];
}

/** A key that is a plain value gets an id by its position, for logs and quotas. */
function withId(key: string, id: string): string {
  const [head = ''] = key.split(/\s+/);
  return head.includes(':') && !head.startsWith('sha256:') ? key : `${id}:${key}`;
}

/** @throws Error when one of the two files is missing or cannot be read */
export async function readTls({
  sslCertfile,
  sslKeyfile,
}: Pick<ResolvedConfig['http'], 'sslCertfile' | 'sslKeyfile'>): Promise<HttpSettings['tls']> {
  if (sslCertfile === null && sslKeyfile === null) return null;
  if (sslCertfile === null) throw new Error('--ssl-keyfile needs --ssl-certfile.');
  if (sslKeyfile === null) throw new Error('--ssl-certfile needs --ssl-keyfile.');
  return {
    cert: await readOption(sslCertfile, '--ssl-certfile'),
    key: await readOption(sslKeyfile, '--ssl-keyfile'),
  };
}

async function readOption(file: string, flag: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`${flag} ${file} cannot be read.`, { cause: error });
  }
}
