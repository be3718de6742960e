import { createHash, timingSafeEqual } from 'node:crypto';
import type { QuotaLimits } from './quotas.ts';

/** What a key gives access to: the API, or only the metrics. */
export type KeyScope = 'api' | 'metrics';

export interface ApiKey {
  /** Name of the key in logs; the server does not keep its value. */
  readonly id: string;
  readonly scope: KeyScope;
  /** Limits of this key; the server's defaults apply to those that are absent. */
  readonly quotas: Partial<QuotaLimits>;
  /** SHA-256 of the value. */
  readonly digest: Buffer;
}

const MIN_KEY_LENGTH = 16;
const DIGEST_PREFIX = 'sha256:';

/** All keys of a server. */
export class KeyRing {
  readonly #keys: readonly ApiKey[];

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys;
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  /** Compares with every key, each in constant time, so that the time reveals nothing about any key. */
  find(value: string): ApiKey | null {
    const digest = sha256(value);
    let found: ApiKey | null = null;
    for (const key of this.#keys) {
      if (timingSafeEqual(key.digest, digest)) found = key;
    }
    return found;
  }
}

/**
 * Parses keys, one per line: `id:value`, then settings such as `requests-per-minute=60`. Instead of the value, a line may
 * have `sha256:` and the hash of the value in hexadecimal. Empty lines and lines that begin with # are skipped.
 * @param source name of the source of the text, for errors
 * @throws Error with the line and the problem, never with the value of a key
 */
export function parseApiKeys(text: string, source: string): ApiKey[] {
  const keys = text.split('\n').flatMap((line, index) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    return [parseLine(trimmed, `${source}, line ${index + 1}`)];
  });
  for (const [index, { id, digest }] of keys.entries()) {
    const twin = keys.slice(0, index).find((key) => key.id === id || key.digest.equals(digest));
    if (twin === undefined) continue;
    const what = twin.id === id ? `the id "${id}"` : `the value of "${twin.id}"`;
    throw new Error(`${source}: "${id}" has ${what}, which is taken.`);
  }
  return keys;
}

function parseLine(line: string, place: string): ApiKey {
  const [head = '', ...settings] = line.split(/\s+/);
  const colon = head.indexOf(':');
  const id = head.slice(0, Math.max(0, colon));
  if (!/^[\w.-]{1,64}$/.test(id)) {
    throw new Error(
      `${place}: a key is written id:value, its id made of at most 64 letters, digits, dots, dashes and underscores.`,
    );
  }
  const digest = digestOf(head.slice(colon + 1), `${place}, key "${id}"`);
  const { scope, ...quotas } = parseSettings(settings, `${place}, key "${id}"`);
  return { id, scope: scope ?? 'api', quotas, digest };
}

function digestOf(value: string, place: string): Buffer {
  if (!value.startsWith(DIGEST_PREFIX)) {
    if (value.length >= MIN_KEY_LENGTH) return sha256(value);
    throw new Error(
      `${place}: the value has ${value.length} characters; at least ${MIN_KEY_LENGTH} are needed.`,
    );
  }
  const hex = value.slice(DIGEST_PREFIX.length);
  if (/^[0-9a-f]{64}$/i.test(hex)) return Buffer.from(hex, 'hex');
  throw new Error(`${place}: ${DIGEST_PREFIX} is followed by 64 hexadecimal digits.`);
}

type Settings = Partial<QuotaLimits> & { readonly scope?: KeyScope };

function parseSettings(words: readonly string[], place: string): Settings {
  return Object.assign({}, ...words.map((word) => parseSetting(word, place)));
}

function parseSetting(word: string, place: string): Settings {
  const [, name = '', value = ''] = /^([a-z-]+)=(.*)$/.exec(word) ?? [];
  switch (name) {
    case 'scope':
      if (value === 'api' || value === 'metrics') return { scope: value };
      throw new Error(`${place}: scope is api or metrics; got "${value}".`);
    case 'requests-per-minute':
      return { requestsPerMinute: parseCount(value, `${place}: ${name}`) };
    case 'thinking-quota':
      return { thinkingTokens: parseCount(value, `${place}: ${name}`) };
    default:
      throw new Error(
        `${place}: settings are scope=, requests-per-minute= and thinking-quota=, each once and without spaces.`,
      );
  }
}

/** @returns null for `none` */
function parseCount(value: string, what: string): number | null {
  if (value === 'none') return null;
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new Error(`${what} is a number from 1 to 999999999 or none; got "${value}".`);
}

function sha256(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
