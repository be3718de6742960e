import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { GenerationEvent } from '../../src/engine/generation.ts';
import { SlowReaderError } from '../../src/server/engines/engine-client.ts';
import { FakeEngineClient, scriptedEvents, tokenEvent } from '../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../helpers/listening-app.ts';
import { chatBody } from '../helpers/test-app.ts';

/** Answers without end, in pieces large enough to fill every buffer on the way. */
const endless = new FakeEngineClient(async function* (request, signal) {
  if (request.maxTokens === 7) {
    yield* scriptedEvents(request);
    return;
  }
  for await (const event of scriptedEvents(request)) {
    if (event.type === 'decision') yield event;
  }
  const large: GenerationEvent = {
    ...tokenEvent('y', 'answer', request),
    pieces: [{ section: 'answer', text: 'y'.repeat(100_000) }],
  };
  while (!signal.aborted) yield large;
});

test('closes the stream of a client that does not read, and other clients are unaffected', async (context) => {
  const { url, engine, log } = await listeningApp(context, {
    engine: endless,
    settings: { pingIntervalMs: 20, slowReaderMs: 300 },
  });
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  context.after(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.pause();
  const body = JSON.stringify(chatBody({ stream: true }));
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await until(() => engine.requests.length === 1, 'the stream to begin');
  for (let turn = 0; turn < 5; turn += 1) {
    const reply = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chatBody({ stream: true, max_tokens: 7 })),
    });
    assert.match(await reply.text(), /Forty-two|\[DONE\]/);
  }
  await until(
    () => log.some(({ error }) => error === 'client_too_slow'),
    'the reader to be dropped',
  );
  await until(() => engine.numEnded === 6, 'its generation to end');
  const dropped = log.find(({ error }) => error === 'client_too_slow');
  assert.equal(dropped?.status, 499);
  socket.resume();
  await once(socket, 'close');
});

test('a generation stopped for a slow reader ends its stream with an error event', async (context) => {
  const engine = new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request)) {
      if (event.type === 'finish') throw new SlowReaderError(2048);
      yield event;
    }
  });
  const { url, failures } = await listeningApp(context, { engine });
  const reply = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(chatBody({ stream: true })),
  });
  const text = await reply.text();
  assert.match(text, /"code":"client_too_slow"/);
  assert.match(text, /more than 2048 events behind/);
  assert.doesNotMatch(text, /"finish_reason":"|\[DONE\]/);
  assert.deepEqual(failures, []);
});
