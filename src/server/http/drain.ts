import type { FastifyInstance } from 'fastify';
import { ConnectionDrain } from './connection-drain.ts';
import { ApiError } from './errors.ts';

/**
 * Lets a server stop without cutting anything off: once it closes, work that runs goes on, new work is refused with
 * 503 so that its sender goes elsewhere, and the routes that say how the server is keep answering.
 */
export class Drain {
  #isDraining = false;

  constructor(app: FastifyInstance, { drainMs }: { readonly drainMs: number }) {
    const connections = new ConnectionDrain(app.server);
    app.addHook('preClose', async () => {
      this.#isDraining = true;
      await connections.finished(drainMs);
    });
    app.addHook('onRequest', async (request) => {
      if (!this.#isDraining || request.routeOptions.config.access !== undefined) return;
      throw new ApiError('shutting_down', 'The server is shutting down.', { retryAfterSeconds: 1 });
    });
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }
}
