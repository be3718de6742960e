import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EventQueue } from '../../../../src/server/engines/event-queue.ts';

it('hands out values in order, whether they were pushed before or while somebody waits', async () => {
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

it('ends only after everything pushed was read', async () => {
  const queue = new EventQueue<string>();
  queue.push('last');
  queue.end();
  const seen: string[] = [];
  for await (const value of queue) seen.push(value);
  assert.deepEqual(seen, ['last']);
});

it('hands out the failure in place of everything that was not read', async () => {
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
