import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Knows which connections have a request on them, so that closing the server waits for those alone. Node's own
 * `closeIdleConnections` overlooks connections that never sent a request, which clients open ahead of need, and those
 * that fall idle while the server closes.
 */
export class ConnectionDrain {
  readonly #numRequests = new Map<Socket, number>();
  #draining = false;

  constructor(server: Server) {
    server.on('connection', (socket) => this.#opened(socket));
    server.on('request', (request, response) => this.#requested(request, response));
  }

  /** Ends what is idle now, and everything else as it becomes idle. */
  start(): void {
    this.#draining = true;
    for (const socket of this.#numRequests.keys()) this.#endIfIdle(socket);
  }

  #opened(socket: Socket): void {
    this.#numRequests.set(socket, 0);
    socket.once('close', () => this.#numRequests.delete(socket));
    if (this.#draining) this.#endIfIdle(socket);
  }

  #requested({ socket }: IncomingMessage, response: ServerResponse): void {
    this.#count(socket, 1);
    response.once('close', () => {
      this.#count(socket, -1);
      if (this.#draining) this.#endIfIdle(socket);
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
