import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Drain } from '../drain.ts';
import type { RouteContext } from '../route-context.ts';

const readySchema = z
  .object({
    status: z.enum(['loading', 'ready', 'restarting', 'failed', 'draining']),
    model: z.string(),
  })
  .meta({ id: 'Readiness' });

/** GET /ready: 200 once the engine takes requests and until the server drains, else 503 with its state. */
export function readyRoute(
  { model }: RouteContext,
  drain: Pick<Drain, 'isDraining'>,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/ready',
      {
        config: { access: 'open' },
        schema: {
          operationId: 'getReadiness',
          summary: 'The model takes requests.',
          tags: ['operations'],
          response: { 200: readySchema, 503: readySchema },
        },
      },
      async function getReadiness(_request, reply) {
        const state = drain.isDraining ? 'draining' : model.engine.status().state;
        return reply.code(state === 'ready' ? 200 : 503).send({ status: state, model: model.id });
      },
    );
  };
}
