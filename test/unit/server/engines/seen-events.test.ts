import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { GenerationEvent } from '../../../../src/engine/generation.ts';
import { EngineLostError } from '../../../../src/server/engines/engine-lost-error.ts';
import { SeenEvents } from '../../../../src/server/engines/seen-events.ts';
import { requestOf } from '../../../helpers/engine-bench.ts';
import { scriptedEvents } from '../../../helpers/fake-engine-client.ts';

const REQUEST = requestOf([1]);

async function read(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

it('leaves out what was seen, wherever the first run broke off', async () => {
  const all = await read(scriptedEvents(REQUEST));
  for (let numSeen = 0; numSeen < all.length; numSeen++) {
    const seen = new SeenEvents();
    for (const event of all.slice(0, numSeen)) seen.add(event);
    assert.equal(seen.isEmpty, numSeen === 0);
    assert.deepEqual(await read(seen.notIn(scriptedEvents(REQUEST))), all.slice(numSeen));
  }
});

it('gives up at the first event that is another than was seen, or missing', async () => {
  const seen = new SeenEvents();
  for (const event of (await read(scriptedEvents(REQUEST))).slice(0, -1)) seen.add(event);
  for (const answer of [['For', 'ty-', 'six'], ['For']]) {
    const again = seen.notIn(scriptedEvents(REQUEST, { answer }));
    await assert.rejects(read(again), EngineLostError);
  }
});
