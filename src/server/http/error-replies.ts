import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { toAnthropicError } from '../api/anthropic/error-body.ts';
import { ApiError, CATALOGUE, toApiError } from './errors.ts';
import type { RouteContext } from './route-context.ts';
import { RouteTable } from './route-table.ts';
import type { HttpSettings } from './settings.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whose error objects a route sends; OpenAI's unless it says otherwise. */
    errors?: 'anthropic';
  }
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly context: Pick<RouteContext, 'metrics' | 'settings' | 'requestLog'>;
}

/** Answers a failure in OpenAI's shape, counts and logs it, and tells the operator what the client is not told. */
export function answerError(error: unknown, { request, reply, context }: Exchange): void {
  const failure = reply.raw.destroyed
    ? new ApiError('client_closed_request', 'The client closed the connection.')
    : toApiError(error, {
        bodyLimitBytes: context.settings.bodyLimitBytes,
        announcedBytes: request.headers['content-length'],
      });
  if (failure.status === 500) context.requestLog.failure(request.id, failure.cause ?? failure);
  // Nobody follows what was refused at the gate, by fastify itself, or on other routes.
  if (request.observation) request.observation.end(failure.status, failure.code);
  else noteUnfollowed(failure, request.id, context);
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

/** In the shape of the API whose route it is. */
function bodyOf(failure: ApiError, request: FastifyRequest, reply: FastifyReply): object {
  if (request.routeOptions.config.errors !== 'anthropic') return failure.toBody();
  reply.header('request-id', request.id);
  return toAnthropicError(failure, request.id);
}

const AT_THE_GATE: ReadonlySet<number> = new Set([401, 403, 429]);

/** Counts what nobody followed; operators want to see who knocks. */
function noteUnfollowed(
  { code, status }: ApiError,
  requestId: string,
  { metrics, requestLog }: Exchange['context'],
): void {
  metrics.requests.failure.inc({ code });
  if (!AT_THE_GATE.has(status)) return;
  requestLog.note('warn', `turned away a request with ${code}, request id ${requestId}`);
}

/** Everything that goes wrong on a route, and what has none. */
export function addErrorHandlers(app: FastifyInstance, context: Exchange['context']): void {
  // Rates and alerts of what goes wrong here need a first value to count from.
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

/** What cannot be read as an HTTP request has no reply object; the answer is written by hand. */
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
