import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RequestObservation } from '../telemetry/request-observation.ts';
import type { RouteContext } from './route-context.ts';

/** Observes every request of a route from its arrival, so that each leaves a log line however it ends. */
export function observeRequests(
  app: Pick<FastifyInstance, 'addHook'>,
  { metrics, requestLog: log, tracer }: Pick<RouteContext, 'metrics' | 'requestLog' | 'tracer'>,
): void {
  app.addHook('onRequest', async (request, reply) => {
    const keyId = request.caller?.keyId ?? null;
    const trace = tracer?.begin(traceparentOf(request)) ?? null;
    if (trace !== null) reply.header('traceparent', trace.traceparent);
    const requestId = request.id;
    request.observation = new RequestObservation({ metrics, log, requestId, keyId, trace });
  });
}

function traceparentOf({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  const { traceparent } = headers;
  return typeof traceparent === 'string' ? traceparent : undefined;
}

/** The observation of a request whose route called `observeRequests`. */
export function observationOf(request: Pick<FastifyRequest, 'observation'>): RequestObservation {
  if (request.observation === null) throw new Error('The request is not observed.');
  return request.observation;
}

/**
 * A signal that aborts when the client disconnects before its answer is complete. Fastify's own `request.signal` does not
 * serve: it listens to `close` of the request, which on Node 20 also fires when the body was read.
 */
export function disconnectSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
