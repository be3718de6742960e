import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Drain } from '../drain.ts';
import type { RouteContext } from '../route-context.ts';

/** GET /health: the process is alive. GET /ready reports the model. */
export const healthRoute: FastifyPluginAsyncZod = async (app) => {
  app.get(
    '/health',
    {
      config: { access: 'open' },
      schema: {
        operationId: 'getHealth',
        summary: 'The server process is alive.',
        tags: ['operations'],
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    async function getHealth() {
      return { status: 'ok' as const };
    },
  );
};

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

/** GET /metrics in the text format of Prometheus. */
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

/** GET /version. */
export function versionRoute({ version }: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/version',
      {
        config: { access: 'open' },
        schema: {
          operationId: 'getVersion',
          summary: 'The version of the server.',
          tags: ['operations'],
          response: { 200: z.object({ version: z.string() }) },
        },
      },
      async function getVersion() {
        return { version };
      },
    );
  };
}
