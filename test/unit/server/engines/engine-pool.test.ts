import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type {
  FinishEvent,
  GenerationEvent,
  GenerationRequest,
} from '../../../../src/engine/generation.ts';
import { EngineUnavailableError } from '../../../../src/server/engines/engine-client.ts';
import { EnginePool, type EnginePoolOptions } from '../../../../src/server/engines/engine-pool.ts';
import { Router } from '../../../../src/server/engines/routing/router.ts';
import { requestOf } from '../../../helpers/engine-bench.ts';
import { finishEvent, tokenEvent } from '../../../helpers/fake-engine-client.ts';
import { FakePooledEngine } from '../../../helpers/fake-pooled-engine.ts';

const REQUEST = { ...requestOf([1, 2, 3]), id: 'r' };
const TOKEN = tokenEvent('Hi', 'answer', REQUEST);
const DECISION = {
  type: 'decision',
  requested: 'fast',
  mode: 'fast',
  source: 'request',
  pThink: null,
  pThinkBiased: null,
  residual: null,
} as const;

function poolOf(
  numEngines = 1,
  options: Partial<EnginePoolOptions> = {},
): { readonly pool: EnginePool; readonly engines: readonly FakePooledEngine[] } {
  const engines: FakePooledEngine[] = [];
  const pool = new EnginePool({
    numEngines,
    start: (_index, onReady) => {
      const engine = new FakePooledEngine(onReady);
      engines.push(engine);
      return engine;
    },
    router: new Router({ numEngines, numSlots: 2, numPrompts: 2, imageTokens: 100 }),
    imageTokenId: null,
    maxWaiting: 4,
    retryWaitMs: 10_000,
    ...options,
  });
  return { pool, engines };
}

/** Reads a request to its end in the background. */
class Reader {
  readonly events: GenerationEvent[] = [];
  readonly stop = new AbortController();
  readonly done: Promise<void>;

  constructor(pool: EnginePool, request: GenerationRequest = REQUEST) {
    this.done = this.#read(pool, request);
    this.done.catch(() => undefined);
  }

  async #read(pool: EnginePool, request: GenerationRequest): Promise<void> {
    for await (const event of pool.generate(request, this.stop.signal)) this.events.push(event);
  }

  get types(): string[] {
    return this.events.map(({ type }) => type);
  }

  get finish(): FinishEvent {
    const finish = this.events.at(-1);
    assert.ok(finish?.type === 'finish', `ended with ${this.types}`);
    return finish;
  }
}

function only<T>(items: readonly T[]): T {
  assert.equal(items.length, 1);
  return items[0]!;
}

describe('A request whose engine dies', () => {
  it('starts again when the engine is back, and its reader sees one stream', async () => {
    const { pool, engines } = poolOf();
    const engine = only(engines);
    const reader = new Reader(pool);
    await turn();
    engine.die();
    await turn();
    assert.equal(pool.status().numWaiting, engine.status().numWaiting + 1, 'it waits');
    engine.comeBack();
    await turn();
    engine.say('r', DECISION, TOKEN, finishEvent(REQUEST));
    await reader.done;
    assert.deepEqual(reader.types, ['decision', 'token', 'finish']);
    assert.equal(reader.finish.reason, 'stop');
    assert.equal(engine.requests.length, 2);
    assert.equal(pool.engines()[0]?.retried, 1);
  });

  it('goes to another engine that is ready, without waiting for its own', async () => {
    const { pool, engines } = poolOf(2);
    const [first, second] = engines;
    const reader = new Reader(pool);
    await turn();
    first?.die();
    await turn();
    second?.say('r', TOKEN, finishEvent(REQUEST));
    await reader.done;
    assert.equal(reader.finish.reason, 'stop');
    assert.deepEqual(
      pool.engines().map(({ retried }) => retried),
      [1, 0],
    );
  });

  it('starts again after its decision, which is passed on only with the first token', async () => {
    const { pool, engines } = poolOf();
    const engine = only(engines);
    const reader = new Reader(pool);
    await turn();
    engine.say('r', DECISION);
    await turn();
    assert.deepEqual(reader.types, []);
    engine.die();
    engine.comeBack();
    await turn();
    engine.say('r', DECISION, TOKEN, finishEvent(REQUEST));
    await reader.done;
    assert.deepEqual(reader.types, ['decision', 'token', 'finish']);
  });

  it('ends with a clear error when a part of it was streamed', async () => {
    const { pool, engines } = poolOf(2);
    const reader = new Reader(pool);
    await turn();
    engines[0]?.say('r', DECISION, TOKEN);
    await turn();
    engines[0]?.die();
    await reader.done;
    assert.equal(reader.finish.reason, 'error');
    assert.match(reader.finish.message ?? '', /engine stopped while it worked on this request/);
    assert.equal(engines[1]?.requests.length, 0);
    assert.equal(pool.status().retried, 0);
  });

  it('continues after the events that were read when it is not streamed', async () => {
    const request = { ...REQUEST, isStreamed: false };
    const { pool, engines } = poolOf(2);
    const reader = new Reader(pool, request);
    await turn();
    engines[0]?.say('r', DECISION, TOKEN);
    await turn();
    engines[0]?.die();
    await turn();
    const rest = tokenEvent('You', 'answer', REQUEST);
    engines[1]?.say('r', DECISION, TOKEN, rest, finishEvent(REQUEST));
    await reader.done;
    assert.deepEqual(reader.events.slice(0, -1), [DECISION, TOKEN, rest]);
    assert.equal(reader.finish.reason, 'stop');
  });

  it('ends with the error when the second engine generates something else', async () => {
    const { pool, engines } = poolOf(2);
    const reader = new Reader(pool, { ...REQUEST, isStreamed: false });
    await turn();
    engines[0]?.say('r', DECISION, TOKEN);
    await turn();
    engines[0]?.die();
    await turn();
    engines[1]?.say('r', DECISION, tokenEvent('No', 'answer', REQUEST));
    await reader.done;
    assert.equal(reader.finish.reason, 'error');
    assert.deepEqual(reader.types, ['decision', 'token', 'finish']);
  });

  it('starts again only once, because it may be what the engines die of', async () => {
    const { pool, engines } = poolOf(3);
    const reader = new Reader(pool);
    await turn();
    for (const engine of engines) {
      if (engine.numPending > 0) engine.die();
      await turn();
    }
    await reader.done;
    assert.equal(reader.finish.reason, 'error');
    assert.equal(engines.flatMap(({ requests }) => requests).length, 2);
    assert.equal(pool.status().retried, 1);
  });

  it('has only the time that is left, and its timing includes the lost time', async (context) => {
    let now = performance.now();
    context.mock.method(performance, 'now', () => now);
    const { pool, engines } = poolOf();
    const engine = only(engines);
    const request = { ...REQUEST, timeoutMs: 60_000 };
    const reader = new Reader(pool, request);
    await turn();
    engine.die();
    now += 20;
    engine.comeBack();
    await turn();
    const [, again] = engine.requests;
    const lostMs = 60_000 - (again?.timeoutMs ?? 0);
    assert.ok(Math.abs(lostMs - 20) < 1e-6, `${lostMs} ms were lost`);
    const told = finishEvent(request);
    engine.say('r', TOKEN, told);
    await reader.done;
    const { timing } = reader.finish;
    assert.ok(Math.abs(timing.queueMs - told.timing.queueMs - lostMs) < 1e-6);
    assert.ok(Math.abs(timing.totalMs - told.timing.totalMs - lostMs) < 1e-6);
    assert.equal(timing.prefillMs, told.timing.prefillMs);
  });

  it('is rejected when its time passes before an engine is ready', async () => {
    const { pool, engines } = poolOf();
    const reader = new Reader(pool, { ...REQUEST, timeoutMs: 20 });
    await turn();
    engines[0]?.die();
    await assert.rejects(reader.done, { name: 'EngineUnavailableError', reason: 'timed_out' });
    assert.deepEqual(reader.events, []);
  });

  it('ends with the error when no engine comes back', async () => {
    const { pool, engines } = poolOf(1, { retryWaitMs: 20 });
    const reader = new Reader(pool);
    await turn();
    engines[0]?.die();
    await reader.done;
    assert.equal(reader.finish.reason, 'error');
    assert.equal(pool.status().retried, 0);
  });

  it('ends at once when its client disconnects or the server closes', async () => {
    const { pool, engines } = poolOf();
    const [leaving, staying] = [new Reader(pool), new Reader(pool, { ...REQUEST, id: 's' })];
    await turn();
    engines[0]?.die();
    await turn();
    leaving.stop.abort();
    await leaving.done;
    assert.equal(leaving.finish.reason, 'abort');
    await pool.close();
    await staying.done;
    assert.match(staying.finish.message ?? '', /shutting down/);
  });

  it('keeps the order to answer now on its next engine', async () => {
    const { pool, engines } = poolOf();
    const engine = only(engines);
    const reader = new Reader(pool);
    await turn();
    assert.ok(pool.answerNow('r'));
    engine.die();
    await turn();
    engine.comeBack();
    await turn();
    assert.deepEqual(engine.answeredNow, ['r', 'r']);
    assert.ok(!pool.answerNow('another'));
    engine.say('r', finishEvent(REQUEST));
    await reader.done;
  });
});

describe('The admission of the pool', () => {
  it('admits requests that have a slot or may wait, and counts those whose engine died', async () => {
    const { pool, engines } = poolOf(1, { maxWaiting: 1 });
    const readers = ['a', 'b', 'c'].map((id) => new Reader(pool, { ...REQUEST, id }));
    await turn();
    await assert.rejects(new Reader(pool).done, { reason: 'queue_full' });
    engines[0]?.die();
    await assert.rejects(new Reader(pool).done, { reason: 'not_ready' });
    await turn();
    engines[0]?.comeBack();
    await assert.rejects(new Reader(pool).done, { reason: 'queue_full' });
    for (const id of ['a', 'b', 'c']) engines[0]?.say(id, finishEvent(REQUEST));
    await Promise.all(readers.map(({ done }) => done));
    assert.deepEqual(
      readers.map(({ finish }) => finish.reason),
      ['stop', 'stop', 'stop'],
    );
  });

  it('counts the slots of the ready engines and spreads requests over them', async () => {
    const { pool, engines } = poolOf(2, { maxWaiting: 0 });
    const readers = ['a', 'b', 'c', 'd'].map(
      (id) => new Reader(pool, { ...REQUEST, id, group: id }),
    );
    await turn();
    assert.deepEqual(
      engines.map(({ numPending }) => numPending),
      [2, 2],
    );
    await assert.rejects(new Reader(pool).done, { reason: 'queue_full' });
    for (const id of ['a', 'b', 'c', 'd']) {
      for (const engine of engines) engine.say(id, finishEvent(REQUEST));
    }
    await Promise.all(readers.map(({ done }) => done));
    engines[0]?.die();
    const after = ['e', 'f'].map((id) => new Reader(pool, { ...REQUEST, id, group: id }));
    await turn();
    assert.equal(engines[1]?.numPending, 2);
    await assert.rejects(new Reader(pool).done, { reason: 'queue_full' });
    for (const id of ['e', 'f']) engines[1]?.say(id, finishEvent(REQUEST));
    await Promise.all(after.map(({ done }) => done));
  });

  it('rejects a request whose time passed before its first token', async () => {
    const { pool, engines } = poolOf();
    const reader = new Reader(pool);
    await turn();
    engines[0]?.say('r', DECISION, finishEvent(REQUEST, { reason: 'timeout' }));
    await assert.rejects(
      reader.done,
      (error) => error instanceof EngineUnavailableError && error.reason === 'timed_out',
    );
    assert.deepEqual(reader.events, []);
  });
});
