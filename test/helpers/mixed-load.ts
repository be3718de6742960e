import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../../src/server/main.ts';
import { post, readHeldout, requestBody } from './shipped-server.ts';

const STREAMS = 6;
/** Requests until the clients rest between two requests of theirs. */
const RUSH = 200;
const REST_MS = 100;

/** Requests of every kind a real server sees, wrong ones and impatient clients among them. */
async function kinds(): Promise<readonly Record<string, unknown>[]> {
  const questions = await readHeldout();
  const [seen] = questions.filter(({ image, kind }) => image !== null && kind === 'perception');
  const [hard] = questions.filter(({ image, kind }) => image !== null && kind === 'multi-step');
  if (seen === undefined || hard === undefined) throw new Error('The held-out set has no images.');
  const sum = { image: null, question: 'What is 23 + 48?' };
  return Promise.all([
    requestBody(sum),
    requestBody(seen, { stream: true }),
    requestBody(hard),
    requestBody({ image: null, question: 'Hello' }),
    requestBody(sum, { thinking_mode: 'think', stream: true }),
    requestBody(sum, { thinking_mode: 'fast' }),
    requestBody(sum, { thinking_mode: 'think', thinking_budget: 12 }),
    requestBody(hard, { thinking_budget: 400, thinking_bias: 2 }),
    requestBody(sum, { thinking_bias: -6 }),
    requestBody(sum, { max_tokens: 4 }),
    requestBody(sum, { strategy: { type: 'majority_vote', k: 2 }, temperature: 0.7 }),
    requestBody(sum, { temperature: 9 }),
    requestBody(sum, { model: 'nobody' }),
  ]);
}

/** Keeps the server busy with all of it: a rush of requests, then a steady load until it is told to stop. */
export class MixedLoad {
  readonly #server: RunningServer;
  #numSent = 0;
  #stopped = false;
  #streams: Promise<unknown> = Promise.resolve();

  constructor(server: RunningServer) {
    this.#server = server;
  }

  get numSent(): number {
    return this.#numSent;
  }

  async start(): Promise<void> {
    const bodies = await kinds();
    const run = async (): Promise<void> => {
      while (!this.#stopped) {
        await this.#send(bodies);
        if (this.#numSent > RUSH) await sleep(REST_MS);
      }
    };
    this.#streams = Promise.all(Array.from({ length: STREAMS }, run));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#streams;
  }

  async #send(bodies: readonly Record<string, unknown>[]): Promise<void> {
    const index = this.#numSent++;
    const body = bodies[index % bodies.length] ?? {};
    // Now and then a client does not wait.
    const controller = new AbortController();
    const patience = index % 29 === 28 ? setTimeout(() => controller.abort(), 5) : undefined;
    try {
      await (await post(this.#server, body, controller.signal)).text();
    } catch (error) {
      if (!controller.signal.aborted) throw error;
    } finally {
      clearTimeout(patience);
    }
  }
}
