import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { ApiError } from './errors.ts';

/**
 * Stops a server without interrupting requests. Once the server closes, running requests continue, new requests get 503
 * so that their clients try another server, and the routes that report the server's state keep answering.
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

/**
 * Tracks which connections carry a request, so that closing the server waits only for those. Node's
 * `closeIdleConnections` misses connections that never sent a request, which clients open in advance, and connections
 * that become idle while the server closes.
 */
class ConnectionDrain {
  readonly #numRequests = new Map<Socket, number>();
  readonly #running = new Set<ServerResponse>();
  #isClosing = false;

  constructor(server: Server) {
    // Over TLS the socket of a request is the one after the handshake.
    const opened = server instanceof TlsServer ? 'secureConnection' : 'connection';
    server.on(opened, (socket: Socket) => this.#opened(socket));
    server.on('request', (request, response) => this.#requested(request, response));
  }

  /**
   * Waits for the running requests, then ends idle connections, and all others as they become idle. Until then clients
   * may open and use connections, so that a request on its way gets an answer and not a closed connection.
   * @returns when the running requests are over, or after `deadlineMs`
   */
  async finished(deadlineMs: number): Promise<void> {
    const over = [...this.#running].map(
      (response) => new Promise<void>((resolve) => response.once('close', resolve)),
    );
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([Promise.all(over), deadline]);
    clearTimeout(timer);
    this.#isClosing = true;
    for (const socket of this.#numRequests.keys()) this.#endIfIdle(socket);
  }

  #opened(socket: Socket): void {
    this.#numRequests.set(socket, 0);
    socket.once('close', () => this.#numRequests.delete(socket));
    if (this.#isClosing) this.#endIfIdle(socket);
  }

  #requested({ socket }: IncomingMessage, response: ServerResponse): void {
    this.#count(socket, 1);
    this.#running.add(response);
    response.once('close', () => {
      this.#running.delete(response);
      this.#count(socket, -1);
      if (this.#isClosing) this.#endIfIdle(socket);
    });
  }

  #count(socket: Socket, change: number): void {
    const numRequests = this.#numRequests.get(socket);
    if (numRequests !== undefined) this.#numRequests.set(socket, numRequests + change);
  }

  #endIfIdle(socket: Socket): void {
    if (this.#numRequests.get(socket) === 0) socket.destroySoon();
  }
}
