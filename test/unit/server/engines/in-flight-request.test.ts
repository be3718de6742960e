import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { GenerationEvent } from '../../../../src/engine/generation.ts';
import { EngineLostError } from '../../../../src/server/engines/engine-client.ts';
import { InFlightRequest } from '../../../../src/server/engines/in-flight-request.ts';
import { requestOf } from '../../../helpers/engine-bench.ts';
import { scriptedEvents } from '../../../helpers/fake-engine-client.ts';

const REQUEST = { ...requestOf([1]), isStreamed: false };

async function read(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** A request whose first engine sent these events and died. */
function lostAfter(events: readonly GenerationEvent[]): {
  readonly request: InFlightRequest<string>;
  readonly received: readonly GenerationEvent[];
} {
  const request = new InFlightRequest<string>(REQUEST, new AbortController().signal);
  request.assign('first');
  return { request, received: events.flatMap((event) => request.receive(event)) };
}

it('passes each event on once, wherever the first engine died', async () => {
  const all = await read(scriptedEvents(REQUEST));
  for (let numSent = 0; numSent < all.length; numSent++) {
    const { request, received } = lostAfter(all.slice(0, numSent));
    request.assign('second');
    const rest = all.flatMap((event) => request.receive(event));
    const types = [...received, ...rest].map(({ type }) => type);
    assert.deepEqual(
      types,
      all.map(({ type }) => type),
    );
    assert.deepEqual([...received, ...rest].slice(0, -1), all.slice(0, -1));
  }
});

it('gives up at the first event that differs from the first engine, or is missing', async () => {
  const sent = (await read(scriptedEvents(REQUEST))).slice(0, -1);
  for (const answer of [['For', 'ty-', 'six'], ['For']]) {
    const { request } = lostAfter(sent);
    request.assign('second');
    const again = await read(scriptedEvents(REQUEST, { answer }));
    assert.throws(() => again.map((event) => request.receive(event)), EngineLostError);
  }
});

it('may start again until the client of a stream received something, and only once', async () => {
  const [decision, token] = await read(scriptedEvents(REQUEST));
  assert.ok(decision && token);
  const streamed = { ...REQUEST, isStreamed: true };
  const request = new InFlightRequest<string>(streamed, new AbortController().signal);
  request.assign('first');
  assert.deepEqual(request.receive(decision), []);
  assert.ok(request.canStartAgain);
  assert.deepEqual(request.receive(token), [decision, token]);
  assert.ok(!request.canStartAgain);
  const whole = lostAfter([decision, token]).request;
  assert.ok(whole.canStartAgain);
  whole.noteRetry();
  assert.ok(!whole.canStartAgain);
});
