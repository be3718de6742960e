import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EventQueue } from '../../../src/process/event-queue.ts';

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
