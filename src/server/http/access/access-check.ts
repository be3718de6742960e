import { isIP } from 'node:net';
import cors from '@fastify/cors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from '../errors.ts';
import type { KeyRing, KeyScope } from './api-keys.ts';
import { type QuotaLimits, Quotas } from './quotas.ts';

/** Access to the server: keys, limits, and callers without a key. */
export interface AccessSettings {
  readonly keys: KeyRing;
  /** Without keys: whether requests may name this machine by any host name, as other machines do. */
  readonly allowAnonymous: boolean;
  /** Whether GET /metrics needs no key. */
  readonly openMetrics: boolean;
  /** Limits of keys without their own limits, and of all callers together when there are no keys. */
  readonly quotas: QuotaLimits;
}

/** The sender of a request. */
export interface Caller {
  /** null when there are no keys. */
  readonly keyId: string | null;
  readonly quotas: Quotas;
}

/**
 * What a route requires: `open` routes need no key and answer while the server drains, `metrics` takes keys of both
 * scopes. All other routes take keys for the API.
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

/** Checks every request before its body is read: key, host name and rate limit. */
export function addAccessCheck(app: FastifyInstance, settings: AccessSettings): void {
  const check = new AccessCheck(settings);
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request, reply) => {
    const { access } = request.routeOptions.config;
    if (access === 'open') return;
    reply.header('www-authenticate', 'Bearer');
    const caller = check.admit(request, access === 'metrics' ? 'metrics' : 'api');
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

class AccessCheck {
  readonly #settings: AccessSettings;
  readonly #anonymous: Caller;
  readonly #callers = new Map<string, Caller>();

  constructor(settings: AccessSettings) {
    this.#settings = settings;
    this.#anonymous = { keyId: null, quotas: new Quotas(settings.quotas) };
  }

  /**
   * @returns null when the route needs no caller
   * @throws ApiError when the request has no access
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
   * Rejects DNS rebinding: a web page can point a host name of its own at this machine and have a browser call it. Such
   * a request carries that name, which no caller on this machine has a reason to use.
   */
  #assertLocalName({ hostname }: FastifyRequest): void {
    // Old clients send no host; browsers always do.
    if (this.#settings.allowAnonymous || !hostname || isLoopbackHost(hostname)) return;
    throw new ApiError(
      'host_not_allowed',
      'Without API keys this server is called as localhost or by a loopback address only.',
    );
  }
}

/** Whether a host name or address means this machine only. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(name) === 4) return name.startsWith('127.');
  return name === '::1' || name === 'localhost' || name.endsWith('.localhost');
}

/** Reads the key. OpenAI's clients send a bearer token, Anthropic's a header of their own. */
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

const DAY_SECONDS = 86_400;

/** Headers of a reply that a web page may read. */
const EXPOSED_HEADERS = [
  'retry-after',
  'retry-after-ms',
  'x-completion-id',
  'x-request-id',
  'x-should-retry',
  'x-thinking-decision',
  'x-thinking-fallback',
  'x-thinking-probability',
  'x-thinking-requested',
  'x-thinking-source',
];

/** Lets web pages of these origins call the server from a browser. Without any, browsers block all pages. */
export async function addCors(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(cors, {
    origin: [...origins],
    methods: ['GET', 'POST'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: DAY_SECONDS,
  });
}
