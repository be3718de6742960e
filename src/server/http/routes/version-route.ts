import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { RouteContext } from '../route-context.ts';

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
