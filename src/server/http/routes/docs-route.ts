import path from 'node:path';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsync } from 'fastify';

/** Allows resources of this server only. Styles may be inline, because the page's own code sets them on elements. */
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
 * GET /docs: the OpenAPI description as a page, with all its resources on this server. GET /docs/json: the description.
 * @param file path of the description
 */
export function docsRoute(file: string): FastifyPluginAsync {
  return async (app) => {
    // A browser sends no key, and the page shows nothing but the documentation.
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
