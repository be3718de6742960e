import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

/**
 * Knows which connections have a request on them, so that closing the server waits for those alone. Node's own
 * `closeIdleConnections` overlooks connections that never sent a request, which clients open ahead of need, and those
 * that fall idle while the server closes.
 */
export class ConnectionDrain {
  readonly #numRequests = new Map<Socket, number>();
  readonly #running = new Set<ServerResponse>();
  #isClosing = false;

  constructor(server: Server) {
    // Over TLS a request's socket is the one that comes out of the handshake.
    const opened = server instanceof TlsServer ? 'secureConnection' : 'connection';
    server.on(opened, (socket: Socket) => this.#opened(socket));
    server.on('request', (request, response) => this.#requested(request, response));
  }

  /**
   * Waits for the requests that run now, then ends what is idle, and everything else as it becomes idle. Until then
   * connections may be used and opened, to be told that the server is going: a request that is on its way would
   * otherwise meet a closed door.
   * @returns once those requests are over, or after `deadlineMs`
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
