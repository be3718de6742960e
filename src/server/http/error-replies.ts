import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { toAnthropicError } from '../api/anthropic/error-body.ts';
import { ApiError, CATALOGUE, toApiError } from './errors.ts';
import type { RouteContext } from './route-context.ts';
import type { HttpSettings } from './settings.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The API whose error objects the route sends; OpenAI's by default. */
    errors?: 'anthropic';
  }
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly context: Pick<RouteContext, 'metrics' | 'settings' | 'requestLog'>;
}

/** Answers a failure in the shape of the route's API, counts it, and logs for the operator what the client is not told. */
export function answerError(error: unknown, { request, reply, context }: Exchange): void {
  const failure = reply.raw.destroyed
    ? new ApiError('client_closed_request', 'The client closed the connection.')
    : toApiError(error, {
        bodyLimitBytes: context.settings.bodyLimitBytes,
        announcedBytes: request.headers['content-length'],
      });
  if (failure.status === 500) context.requestLog.failure(request.id, failure.cause ?? failure);
  // Requests that the access check or fastify rejects, and those of other routes, have no observation.
  if (request.observation) request.observation.end(failure.status, failure.code);
  else noteUnobserved(failure, request.id, context);
  if (failure.retryAfterSeconds !== null) {
    reply.header('retry-after', String(Math.ceil(failure.retryAfterSeconds)));
    reply.header('retry-after-ms', String(Math.round(failure.retryAfterSeconds * 1000)));
  }
  if (!failure.isWorthRetrying) reply.header('x-should-retry', 'false');
  reply
    .header('x-request-id', request.id)
    .code(failure.status)
    .type('application/json; charset=utf-8')
    .send(bodyOf(failure, request, reply));
}

function bodyOf(failure: ApiError, request: FastifyRequest, reply: FastifyReply): object {
  if (request.routeOptions.config.errors !== 'anthropic') return failure.toBody();
  reply.header('request-id', request.id);
  return toAnthropicError(failure, request.id);
}

/** Statuses of the access check. */
const ACCESS_STATUSES: ReadonlySet<number> = new Set([401, 403, 429]);

/** Counts a failure outside an observed request. The log shows rejected access, so that operators see attempts. */
function noteUnobserved(
  { code, status }: ApiError,
  requestId: string,
  { metrics, requestLog }: Exchange['context'],
): void {
  metrics.requests.failure.inc({ code });
  if (!ACCESS_STATUSES.has(status)) return;
  requestLog.note('warn', `rejected a request with ${code}, request id ${requestId}`);
}

/** Answers every error of a route, and requests for unknown paths and methods. */
export function addErrorHandlers(app: FastifyInstance, context: Exchange['context']): void {
  // Rates and alerts need a first value to count from.
  for (const [code, { status }] of Object.entries(CATALOGUE)) {
    if (status >= 500) context.metrics.requests.failure.inc({ code }, 0);
  }
  const routes = new RouteTable();
  app.addHook('onRoute', ({ url, method }) => {
    routes.add(url, Array.isArray(method) ? method : [method]);
  });
  app.setErrorHandler((error, request, reply) => {
    answerError(error, { request, reply, context });
  });
  app.setNotFoundHandler((request, reply) => {
    const allowed = routes.methodsOf(request.url);
    if (allowed.length > 0) reply.header('allow', allowed.join(', '));
    answerError(noRoute(request, allowed), { request, reply, context });
  });
}

function noRoute({ method, url }: FastifyRequest, allowed: readonly string[]): ApiError {
  const path = (url.split('?', 1)[0] ?? '').slice(0, 100);
  return allowed.length > 0
    ? new ApiError('method_not_allowed', `${path} takes ${allowed.join(', ')}; got ${method}.`)
    : new ApiError('route_not_found', `There is no ${method} ${path} on this server.`);
}

type ArrivalLimits = Pick<HttpSettings, 'headersTimeoutMs' | 'maxHeaderBytes' | 'requestTimeoutMs'>;

/** Answers what is not an HTTP request. There is no reply object, so this writes to the socket. */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  limits: ArrivalLimits,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const failure = clientFailure(error.code, limits);
  const body = JSON.stringify(failure.toBody());
  socket.end(
    [
      `HTTP/1.1 ${failure.status} ${STATUS_CODES[failure.status] ?? ''}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${randomUUID()}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

function clientFailure(code: string | undefined, limits: ArrivalLimits): ApiError {
  const { requestTimeoutMs, maxHeaderBytes } = limits;
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ApiError(
        'request_timeout',
        `The request took too long to arrive; its headers may take ${limits.headersTimeoutMs} ms, all of it ${requestTimeoutMs} ms.`,
      );
    case 'HPE_HEADER_OVERFLOW':
      return new ApiError(
        'headers_too_large',
        `The headers have more than ${maxHeaderBytes} bytes, the most that is allowed.`,
      );
    default:
      return new ApiError('invalid_request', 'The request is malformed.');
  }
}

interface KnownRoute {
  readonly segments: readonly string[];
  readonly methods: readonly string[];
}

/** Paths and methods of all routes, to distinguish a wrong method from an unknown path. */
class RouteTable {
  readonly #routes: KnownRoute[] = [];

  add(path: string, methods: readonly string[]): void {
    this.#routes.push({ segments: path.split('/'), methods });
  }

  /** @returns the methods of a path, sorted; empty for an unknown path */
  methodsOf(url: string): string[] {
    const segments = (url.split('?', 1)[0] ?? '').split('/');
    const methods = this.#routes
      .filter((route) => matches(route.segments, segments))
      .flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, index) => part.startsWith(':') || part === segments[index])
  );
}
