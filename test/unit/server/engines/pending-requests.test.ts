import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventQueue } from '../../../../src/server/engines/pending-requests.ts';

it('delivers values in order, whether they are pushed before or during a read', async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.push(2);
  const seen: number[] = [];
  const reader = (async () => {
    for await (const value of queue) seen.push(value);
  })();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, [1, 2]);
  queue.push(3);
  queue.end();
  await reader;
  assert.deepEqual(seen, [1, 2, 3]);
});

it('ends only after every pushed value was read', async () => {
  const queue = new EventQueue<string>();
  queue.push('last');
  queue.end();
  const seen: string[] = [];
  for await (const value of queue) seen.push(value);
  assert.deepEqual(seen, ['last']);
});

it('delivers the failure in place of the unread values', async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  const reader = queue[Symbol.asyncIterator]();
  assert.deepEqual(await reader.next(), { value: 1, done: false });
  queue.push(2);
  queue.push(3);
  assert.equal(queue.length, 2);
  queue.fail(new Error('too slow'));
  assert.equal(queue.length, 0);
  await assert.rejects(reader.next(), /too slow/);
});

it('wakes a waiting reader with the failure', async () => {
  const queue = new EventQueue<number>();
  const next = queue[Symbol.asyncIterator]().next();
  queue.fail(new Error('gone'));
  await assert.rejects(next, /gone/);
});

describe('The release of a queue', () => {
  function counted(): { readonly queue: EventQueue<number>; readonly released: () => number } {
    let numReleased = 0;
    const queue = new EventQueue<number>(() => {
      numReleased += 1;
    });
    return { queue, released: () => numReleased };
  }

  it('happens once, when the reader reads the end', async () => {
    const { queue, released } = counted();
    queue.push(1);
    queue.end();
    assert.deepEqual(await queue.next(), { value: 1, done: false });
    assert.equal(released(), 0);
    assert.equal((await queue.next()).done, true);
    assert.equal((await queue.next()).done, true);
    assert.equal(released(), 1);
  });

  it('happens when the reader stops early', async () => {
    const { queue, released } = counted();
    queue.push(1);
    queue.push(2);
    for await (const value of queue) {
      assert.equal(value, 1);
      break;
    }
    assert.equal(released(), 1);
    assert.equal((await queue.next()).done, true);
  });

  it('happens when the reader gets a failure', async () => {
    const { queue, released } = counted();
    const next = queue.next();
    queue.fail(new Error('gone'));
    await assert.rejects(next, /gone/);
    assert.equal(released(), 1);
  });
});
