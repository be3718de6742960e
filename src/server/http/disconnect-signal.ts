import type { FastifyReply } from 'fastify';

/**
 * A signal that aborts when the client disconnects before its answer is complete. Fastify's own `request.signal` does not
 * serve: it listens to `close` of the request, which on Node 20 also fires when the body was read.
 */
export function disconnectSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
