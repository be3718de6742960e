import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromEngine, LoadMessage, ToEngine } from '../../engine/messages.ts';
import { SENT_TILE_BYTES, SentTiles } from '../../engine/sent-tiles.ts';

export type ReadyMessage = Extract<FromEngine, { type: 'ready' }>;
export type EventsMessage = Extract<FromEngine, { type: 'events' }>;

export interface EngineChildOptions {
  readonly load: Omit<LoadMessage, 'type'>;
  readonly onEvents: (message: EventsMessage) => void;
  /** Called once, with how the process ended. Nothing arrives from the process after that. */
  readonly onEnd: (how: string) => void;
}

/** Time after which a process that does not end is killed. */
const END_MS = 5_000;

/** One engine process, from its fork to its end: messages out and in. */
export class EngineChild {
  readonly #child: ChildProcess;
  readonly #onEnd: EngineChildOptions['onEnd'];
  readonly #startedAt = performance.now();
  readonly #tiles = new SentTiles(SENT_TILE_BYTES);
  #isOver = false;

  /** Resolves once the model is loaded. Rejects with the engine's message, or with how the process ended. */
  readonly ready: Promise<ReadyMessage>;

  /** Starts the process and tells it what to load. */
  constructor({ load, onEvents, onEnd }: EngineChildOptions) {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const entry = fileURLToPath(new URL(`../../engine/main.${extension}`, import.meta.url));
    const child = fork(entry, {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.#onEnd = onEnd;
    this.ready = new Promise((resolve, reject) => {
      child.once('exit', (code, signal) => {
        const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
        reject(new Error(`The engine process ended with ${how}.`));
        this.#end(how);
      });
      child.on('error', (error) => {
        // A process that failed to start has no exit event. Failures of a running process show elsewhere.
        if (child.pid !== undefined) return;
        reject(error);
        this.#end(error.message);
      });
      child.on('message', (message) => {
        const received = message as FromEngine;
        if (this.#isOver) return;
        if (received.type === 'events') onEvents(received);
        else if (received.type === 'ready') resolve(received);
        else {
          // A process without its model is useless: it ends, and its exit leads to the next start.
          reject(new Error(received.message));
          child.disconnect();
        }
      });
    });
    // Without this line, a rejection that nothing awaits would end the server.
    this.ready.catch(() => undefined);
    this.send({ type: 'load', ...load });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get ageMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Sends a message; a process that has ended, or is ending, gets none. */
  send(message: ToEngine): void {
    if (!this.#child.connected) return;
    const isRequest = message.type === 'submit';
    this.#child.send(
      isRequest ? { ...message, request: this.#tiles.leaveOut(message.request) } : message,
    );
  }

  /** Ends the process and waits until it has ended. */
  async end(): Promise<void> {
    if (this.#isOver) return;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    await exited;
    clearTimeout(timer);
  }

  #end(how: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd(how);
  }
}
