import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { RouteContext } from '../route-context.ts';

/** GET /metrics in Prometheus' text format. */
export function metricsRoute({ metrics }: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/metrics',
      {
        config: { access: 'metrics' },
        schema: {
          operationId: 'getMetrics',
          summary: 'Metrics in the Prometheus text format.',
          tags: ['operations'],
          response: {
            200: {
              description: 'The exposition.',
              content: { 'text/plain': { schema: z.string() } },
            },
          },
        },
      },
      async function getMetrics(_request, reply) {
        return reply.type(metrics.contentType).send(await metrics.expose());
      },
    );
  };
}
