import { isIP } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from '../errors.ts';
import { KeyRing, type KeyScope } from './api-keys.ts';
import { NO_QUOTAS, type QuotaLimits, Quotas } from './quotas.ts';

/** Who may use the server, and how much. */
export interface AccessSettings {
  readonly keys: KeyRing;
  /** Without keys: whether other machines may come too, by whatever name they call this one. */
  readonly allowAnonymous: boolean;
  /** GET /metrics needs no key. */
  readonly openMetrics: boolean;
  /** Limits of keys that have none of their own, and of all callers together where there are no keys. */
  readonly quotas: QuotaLimits;
}

export const DEFAULT_ACCESS: AccessSettings = {
  keys: new KeyRing([]),
  allowAnonymous: false,
  openMetrics: false,
  quotas: NO_QUOTAS,
};

/** Who sent a request. */
export interface Caller {
  /** null where there are no keys. */
  readonly keyId: string | null;
  readonly quotas: Quotas;
}

/**
 * What a route asks of its callers: `open` routes take anybody and answer while the server drains, `metrics` takes
 * keys of both scopes. All others take keys for the API.
 */
export type RouteAccess = 'open' | 'metrics';

declare module 'fastify' {
  interface FastifyRequest {
    /** null on open routes. */
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
}

/** Looks at every request before its body is read. */
export function addGate(app: FastifyInstance, settings: AccessSettings): void {
  const gate = new Gate(settings);
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request, reply) => {
    const { access } = request.routeOptions.config;
    if (access === 'open') return;
    reply.header('www-authenticate', 'Bearer');
    const caller = gate.admit(request, access === 'metrics' ? 'metrics' : 'api');
    reply.removeHeader('www-authenticate');
    if (caller === null) return;
    request.caller = caller;
    if (request.method !== 'POST') return;
    try {
      caller.quotas.countRequest();
    } finally {
      reply.headers(caller.quotas.headers());
    }
  });
}

class Gate {
  readonly #settings: AccessSettings;
  readonly #anonymous: Caller;
  readonly #callers = new Map<string, Caller>();

  constructor(settings: AccessSettings) {
    this.#settings = settings;
    this.#anonymous = { keyId: null, quotas: new Quotas(settings.quotas) };
  }

  /**
   * @returns null where nobody has to be known
   * @throws ApiError when the request may not come in
   */
  admit(request: FastifyRequest, wanted: KeyScope): Caller | null {
    const { keys, openMetrics } = this.#settings;
    if (wanted === 'metrics' && openMetrics) return null;
    if (keys.isEmpty) {
      this.#assertLocalName(request);
      return this.#anonymous;
    }
    const key = keys.find(keyOf(request));
    if (key === null) throw noKey(request);
    if (key.scope === 'metrics' && wanted !== 'metrics') {
      throw new ApiError('permission_denied', 'This key opens GET /metrics only.');
    }
    const known = this.#callers.get(key.id);
    if (known !== undefined) return known;
    const quotas = new Quotas({ ...this.#settings.quotas, ...key.quotas });
    const caller = { keyId: key.id, quotas };
    this.#callers.set(key.id, caller);
    return caller;
  }

  /**
   * A web page can make a browser call a name of its own that leads to this machine. Such a call carries that name,
   * which no caller on this machine has a reason to use.
   */
  #assertLocalName({ hostname }: FastifyRequest): void {
    // Old clients name no host; browsers always do.
    if (this.#settings.allowAnonymous || !hostname || isLoopbackHost(hostname)) return;
    throw new ApiError(
      'host_not_allowed',
      'Without API keys this server is called as localhost or by a loopback address only.',
    );
  }
}

/** Whether a host name, or address, means this machine alone. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(name) === 4) return name.startsWith('127.');
  return name === '::1' || name === 'localhost' || name.endsWith('.localhost');
}

/** OpenAI's clients send a bearer token, Anthropic's a header of its own. */
function keyOf({ headers }: FastifyRequest): string {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
  const own = headers['x-api-key'];
  return bearer ?? (typeof own === 'string' ? own : '');
}

function noKey({ headers }: FastifyRequest): ApiError {
  const isGiven = headers.authorization !== undefined || headers['x-api-key'] !== undefined;
  return new ApiError(
    'invalid_api_key',
    isGiven
      ? 'The API key is not known to this server.'
      : 'An API key is needed, as `Authorization: Bearer KEY` or `x-api-key: KEY`.',
  );
}
