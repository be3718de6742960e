import type { GenerationEvent, GenerationRequest } from '../../src/engine/generation.ts';
import type { EngineStatus } from '../../src/server/engines/engine-client.ts';
import { EngineLostError } from '../../src/server/engines/engine-client.ts';
import type { PooledEngine } from '../../src/server/engines/engine-pool.ts';
import { PendingRequests } from '../../src/server/engines/pending-requests.ts';
import { FakeEngineClient, finishEvent } from './fake-engine-client.ts';

/** An engine process that says what the test has it say, and dies and comes back when told to. */
export class FakePooledEngine implements PooledEngine {
  readonly limits = {
    vocabSize: 300,
    hiddenSize: 4,
    numSlots: 2,
    slotCapacity: 256,
    kvCacheType: 'float32',
  };
  readonly requests: GenerationRequest[] = [];
  readonly answeredNow: string[] = [];
  readonly #pending = new PendingRequests();
  readonly #onReady: () => void;
  state: EngineStatus['state'] = 'ready';

  constructor(onReady: () => void = () => {}) {
    this.#onReady = onReady;
  }

  get numPending(): number {
    return this.#pending.size;
  }

  status(): EngineStatus {
    const { state } = this;
    return { ...new FakeEngineClient().status(), state, numRunning: this.numPending };
  }

  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    this.requests.push(request);
    const events = this.#pending.add(request.id);
    const abort = (): void => this.say(request.id, finishEvent(request, { reason: 'abort' }));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    return events;
  }

  answerNow(id: string): void {
    if (this.#pending.has(id)) this.answeredNow.push(id);
  }

  say(id: string, ...events: readonly GenerationEvent[]): void {
    this.#pending.deliver(events.map((event) => ({ id, event })));
  }

  die(): void {
    this.state = 'restarting';
    this.#pending.fail(new EngineLostError());
  }

  comeBack(): void {
    this.state = 'ready';
    this.#onReady();
  }

  async whenReady(): Promise<void> {}

  async close(): Promise<void> {
    if (this.state === 'ready') this.die();
  }
}
