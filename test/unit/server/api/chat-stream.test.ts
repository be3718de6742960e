import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatCompletionChunk } from '../../../../src/server/api/openai-chat/response-schema.ts';
import { chatCompletionChunkSchema } from '../../../../src/server/api/openai-chat/response-schema.ts';
import {
  FakeEngineClient,
  finishEvent,
  scriptedEvents,
  tokenEvent,
} from '../../../helpers/fake-engine-client.ts';
import {
  buildTestApp,
  parseEvents,
  postChat,
  type TestAppOptions,
} from '../../../helpers/test-app.ts';

async function stream(overrides: Record<string, unknown> = {}, options: TestAppOptions = {}) {
  const { app } = await buildTestApp(options);
  const reply = await postChat(app, { stream: true, ...overrides });
  const events = parseEvents(reply.body);
  const chunks = events.filter((event): event is ChatCompletionChunk => typeof event === 'object');
  return { reply, events, chunks };
}

const choiceOf = (chunk: ChatCompletionChunk | undefined) => chunk?.choices[0];

test('a stream sends role, reasoning, answer, finish reason and [DONE]', async () => {
  const { reply, events, chunks } = await stream();
  assert.equal(reply.statusCode, 200);
  assert.equal(reply.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.equal(reply.headers['cache-control'], 'no-cache');
  assert.equal(reply.headers['x-accel-buffering'], 'no');
  assert.equal(events.at(-1), '[DONE]');
  assert.deepEqual(
    chunks.map((chunk) => choiceOf(chunk)?.delta),
    [
      { role: 'assistant', content: '', refusal: null },
      { reasoning_content: 'Let ', reasoning: 'Let ' },
      { reasoning_content: 'me ', reasoning: 'me ' },
      { reasoning_content: 'see.', reasoning: 'see.' },
      { content: 'For' },
      { content: 'ty-' },
      { content: 'two' },
      {},
    ],
  );
});

test('only the last chunk of text has a finish reason, and all chunks share id, created and model', async () => {
  const { chunks } = await stream();
  const reasons = chunks.map((chunk) => choiceOf(chunk)?.finish_reason);
  assert.deepEqual(new Set(reasons.slice(0, -1)), new Set([null]));
  assert.equal(reasons.at(-1), 'stop');
  const heads = chunks.map(({ id, created, model, object }) => [id, created, model, object].join());
  assert.equal(new Set(heads).size, 1);
  assert.equal(chunks[0]?.object, 'chat.completion.chunk');
});

test('the first chunk carries the decision and the finish chunk the whole report', async () => {
  const { chunks, reply } = await stream();
  const decision = {
    requested: 'auto',
    mode: 'think',
    source: 'model',
    p_think: 0.75,
    p_think_steered: 0.75,
    residual: 0.01,
    holdout: false,
  };
  assert.deepEqual(choiceOf(chunks[0])?.thinking, decision);
  assert.deepEqual(choiceOf(chunks.at(-1))?.thinking, {
    ...decision,
    ended_by: 'natural',
    budget: { asked: null, effective: null },
    reasoning_tokens: 4,
    preamble_tokens: 0,
    answer_tokens: 3,
  });
  assert.ok(chunks.slice(1, -1).every((chunk) => choiceOf(chunk)?.thinking === undefined));
  assert.equal(reply.headers['x-thinking-decision'], 'think');
  assert.equal(reply.headers['x-thinking-probability'], '0.750000');
});

test('usage comes in a chunk without choices, and only on request', async () => {
  const without = await stream();
  assert.ok(without.chunks.every((chunk) => !('usage' in chunk)));
  const { chunks } = await stream({ stream_options: { include_usage: true } });
  const last = chunks.at(-1);
  assert.deepEqual(last?.choices, []);
  assert.equal(last?.usage?.completion_tokens, 7);
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null));
});

test('with log-probabilities every token has a chunk, text or not', async () => {
  const { chunks } = await stream({ logprobs: true, top_logprobs: 1 });
  const withLogprobs = chunks.filter((chunk) => choiceOf(chunk)?.logprobs != null);
  assert.equal(withLogprobs.length, 7);
  const closeTag = withLogprobs[3];
  assert.deepEqual(choiceOf(closeTag)?.delta, {});
  assert.equal(choiceOf(closeTag)?.logprobs?.reasoning_content[0]?.token, '</think>');
  assert.equal(choiceOf(withLogprobs[4])?.logprobs?.content[0]?.token, 'F');
});

test('one token with text on both sides becomes two deltas and one log-probability', async () => {
  const engine = new FakeEngineClient((request) => scriptedEventsWithSplitToken(request));
  const { chunks } = await stream({ logprobs: true }, { engine });
  assert.deepEqual(
    chunks.slice(1, 3).map((chunk) => choiceOf(chunk)?.delta),
    [{ reasoning_content: 'a', reasoning: 'a' }, { content: 'b' }],
  );
  assert.notEqual(choiceOf(chunks[1])?.logprobs, null);
  assert.equal(choiceOf(chunks[2])?.logprobs, null);
});

async function* scriptedEventsWithSplitToken(request: Parameters<typeof scriptedEvents>[0]) {
  for await (const event of scriptedEvents(request)) {
    if (event.type === 'decision') yield event;
  }
  yield {
    ...tokenEvent('a', 'answer', request),
    pieces: [
      { section: 'reasoning' as const, text: 'a' },
      { section: 'delimiter' as const, text: '</think>' },
      { section: 'answer' as const, text: 'b' },
    ],
  };
  yield finishEvent(request);
}

test('every chunk matches the published schema exactly', async () => {
  const { chunks } = await stream({ stream_options: { include_usage: true }, logprobs: true });
  for (const chunk of chunks) assert.deepEqual(chatCompletionChunkSchema.parse(chunk), chunk);
});

test('a failure before the first event is a plain error reply', async () => {
  const engine = new FakeEngineClient(async function* (request) {
    yield finishEvent(request, { reason: 'error', message: 'The step failed.' });
  });
  const { reply } = await stream({}, { engine });
  assert.equal(reply.statusCode, 500);
  assert.equal(reply.json().error.code, 'engine_error');
});

test('a failure in the middle is an error event, after which there is no finish and no [DONE]', async () => {
  const engine = new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request)) {
      if (event.type === 'finish') {
        yield finishEvent(request, { reason: 'error', message: 'The step failed.' });
      } else yield event;
    }
  });
  const { reply, events, chunks } = await stream({}, { engine });
  assert.equal(reply.statusCode, 200);
  assert.deepEqual(events.at(-1), {
    error: { message: 'The step failed.', type: 'server_error', param: null, code: 'engine_error' },
  });
  assert.ok(chunks.slice(0, -1).every((chunk) => choiceOf(chunk)?.finish_reason === null));
});

test('the exception of an engine that throws in the middle is not shown', async () => {
  const engine = new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request)) {
      if (event.type === 'finish') throw new Error('secret /path/to/model');
      yield event;
    }
  });
  const { app, failures } = await buildTestApp({ engine });
  const { body } = await postChat(app, { stream: true });
  assert.doesNotMatch(body, /secret/);
  assert.match(body, /internal_error/);
  assert.match(String(failures[0]), /secret/);
});

test('silence before the decision is broken by comment lines', async () => {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const engine = new FakeEngineClient(async function* (request) {
    await released;
    yield* scriptedEvents(request);
  });
  const { app } = await buildTestApp({ engine, settings: { pingIntervalMs: 5 } });
  const reply = await app.inject({
    method: 'POST',
    url: '/v1/chat/completions',
    payload: { model: 'test-model', messages: [{ role: 'user', content: 'x' }], stream: true },
    payloadAsStream: true,
  });
  assert.equal(reply.statusCode, 200);
  assert.equal(reply.headers['x-thinking-requested'], 'auto');
  assert.equal(reply.headers['x-thinking-decision'], undefined);
  let body = '';
  for await (const chunk of reply.stream()) {
    body += chunk;
    if (body.includes(': ping\n\n')) release();
  }
  assert.ok(body.startsWith(': ping\n\n'));
  const [first] = parseEvents(body);
  assert.equal(chatCompletionChunkSchema.parse(first).choices[0]?.thinking?.mode, 'think');
});

test('an engine whose events stop before the end is an error in the stream', async () => {
  const engine = new FakeEngineClient(async function* (request) {
    yield tokenEvent('Half', 'answer', request);
  });
  const { events } = await stream({}, { engine });
  assert.deepEqual(events.at(-1), {
    error: {
      message: 'The engine ended without a result.',
      type: 'server_error',
      param: null,
      code: 'engine_error',
    },
  });
});
