import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Drain } from '../drain.ts';
import type { RouteContext } from '../route-context.ts';

const readySchema = z
  .object({
    status: z
      .enum(['loading', 'ready', 'restarting', 'failed', 'draining'])
      .describe('`ready` while at least one engine is, and the server does not drain.'),
    model: z.string(),
    engines: z.object({ ready: z.number().int(), total: z.number().int() }),
  })
  .meta({ id: 'Readiness' });

/** GET /ready: 200 while an engine takes requests and until the server drains, else 503 with the state. */
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
        const { id, engine } = model;
        const status = drain.isDraining ? 'draining' : engine.status().state;
        const engines = engine.engines();
        const { length } = engines.filter(({ state }) => state === 'ready');
        return reply
          .code(status === 'ready' ? 200 : 503)
          .send({ status, model: id, engines: { ready: length, total: engines.length } });
      },
    );
  };
}
