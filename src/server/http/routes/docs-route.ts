import path from 'node:path';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsync } from 'fastify';

/** Everything from this server; the page's own code sets styles on elements, which is all that is allowed inline. */
const CONTENT_SECURITY_POLICY = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/**
 * GET /docs: an OpenAPI description as a page that needs nothing from elsewhere; GET /docs/json: the description.
 * @param file path of the description
 */
export function docsRoute(file: string): FastifyPluginAsync {
  return async (app) => {
    // A browser sends no key, and the page holds nothing that is not in the documentation.
    app.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'open' };
    });
    await app.register(swagger, {
      mode: 'static',
      specification: { path: file, baseDir: path.dirname(file) },
    });
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: CONTENT_SECURITY_POLICY,
      theme: { title: 'thinkgate' },
      uiConfig: { layout: 'BaseLayout', docExpansion: 'list', defaultModelsExpandDepth: 0 },
    });
  };
}
