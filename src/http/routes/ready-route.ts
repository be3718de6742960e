import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { RouteContext } from '../route-context.ts';

const readySchema = z
  .object({ status: z.enum(['loading', 'ready', 'restarting', 'failed']), model: z.string() })
  .meta({ id: 'Readiness' });

/** GET /ready: 200 once the engine takes requests, else 503 with its state. */
export function readyRoute({ model }: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/ready',
      {
        schema: {
          operationId: 'getReadiness',
          summary: 'The model takes requests.',
          tags: ['operations'],
          response: { 200: readySchema, 503: readySchema },
        },
      },
      async function getReadiness(_request, reply) {
        const { state } = model.engine.status();
        return reply.code(state === 'ready' ? 200 : 503).send({ status: state, model: model.id });
      },
    );
  };
}
