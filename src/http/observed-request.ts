import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RequestObservation } from '../observability/request-observation.ts';
import type { RouteContext } from './route-context.ts';

/** Follows every request of a route's scope from its arrival on, so that it leaves a log line however it ends. */
export function observeRequests(
  app: Pick<FastifyInstance, 'addHook'>,
  { metrics, requestLog: log }: Pick<RouteContext, 'metrics' | 'requestLog'>,
): void {
  app.addHook('onRequest', async (request) => {
    const keyId = request.caller?.keyId ?? null;
    request.observation = new RequestObservation({ metrics, log, requestId: request.id, keyId });
  });
}

/** The observation of a request whose route called `observeRequests`. */
export function observationOf(request: Pick<FastifyRequest, 'observation'>): RequestObservation {
  if (request.observation === null) throw new Error('The request is not observed.');
  return request.observation;
}
