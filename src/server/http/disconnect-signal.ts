import type { FastifyReply } from 'fastify';

/**
 * A signal that aborts when the client goes away before its answer is complete. (fastify's own `request.signal`
 * listens to the request, whose `close` on Node 20 also means that the body was read.)
 */
export function disconnectSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
