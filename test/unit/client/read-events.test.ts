import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvents } from '../../../src/client/read-events.ts';

async function read(text: string, chunkSize: number): Promise<string[]> {
  const bytes = new TextEncoder().encode(text);
  const events: string[] = [];
  const body = (async function* () {
    for (let at = 0; at < bytes.length; at += chunkSize) yield bytes.subarray(at, at + chunkSize);
  })();
  for await (const data of readEvents(body)) events.push(data);
  return events;
}

test('reads the same events however the bytes are cut', async () => {
  const text = ': ping\n\ndata: {"a":"é"}\n\nevent: x\ndata:one\ndata: two\n\n\ndata: [DONE]\n\n';
  for (const size of [1, 2, 3, 7, 1_000]) {
    assert.deepEqual(await read(text, size), ['{"a":"é"}', 'one\ntwo', '[DONE]']);
  }
});

test('reads events with each of the three line endings', async () => {
  for (const end of ['\n', '\r\n', '\r']) {
    for (const size of [1, 2, 1_000]) {
      const text = ['data: 1', '', 'data: 2', '', ''].join(end);
      // A lone carriage return at the very end of the stream may still be half of an ending.
      assert.deepEqual((await read(text, size)).slice(0, 1), ['1'], JSON.stringify(end));
    }
  }
});

test('drops an event that the end of the stream cuts off', async () => {
  assert.deepEqual(await read('data: whole\n\ndata: half', 5), ['whole']);
});
