import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { withPings } from '../../../../src/server/http/with-pings.ts';

async function* of<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

test('a stream that never falls silent passes unchanged', async () => {
  const seen: unknown[] = [];
  for await (const item of withPings(of(1, 2, 3), 60_000)) seen.push(item);
  assert.deepEqual(seen, [1, 2, 3]);
});

test('silence becomes pings, and what was waited for is not lost', async () => {
  let give: (value: number) => void = () => {};
  const late = new Promise<number>((resolve) => {
    give = resolve;
  });
  const pinged = withPings(
    (async function* () {
      yield await late;
    })(),
    1,
  );
  assert.equal((await pinged.next()).value, 'ping');
  assert.equal((await pinged.next()).value, 'ping');
  give(7);
  let item = await pinged.next();
  while (item.value === 'ping') item = await pinged.next();
  assert.equal(item.value, 7);
  assert.equal((await pinged.next()).done, true);
});

test('a failure of the source comes through', async () => {
  const pinged = withPings(
    (async function* (): AsyncGenerator<number> {
      yield 1;
      throw new Error('broken');
    })(),
    60_000,
  );
  await pinged.next();
  await assert.rejects(pinged.next(), /broken/);
});

test('ending early ends the source', async () => {
  let ended = false;
  const pinged = withPings(
    (async function* () {
      try {
        yield 1;
        yield 2;
      } finally {
        ended = true;
      }
    })(),
    60_000,
  );
  await pinged.next();
  await pinged.return();
  assert.equal(ended, true);
});

test('a source that fails after it was left at a ping harms nobody', async () => {
  let fail: (error: Error) => void = () => {};
  const pending = new Promise<number>((_resolve, reject) => {
    fail = reject;
  });
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => pending.then((value) => ({ value, done: false })),
    }),
  };
  const pinged = withPings(source, 1);
  assert.equal((await pinged.next()).value, 'ping');
  await pinged.return();
  const unhandled: unknown[] = [];
  const listen = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listen);
  fail(new Error('too late'));
  await turn();
  await turn();
  process.off('unhandledRejection', listen);
  assert.deepEqual(unhandled, []);
});
