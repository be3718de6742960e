import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import {
  busyAtFirst,
  FakeEngineClient,
  failingAtLast,
  finishEvent,
  scriptedEvents,
  untilAborted,
} from '../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../helpers/listening-app.ts';
import type { TestAppOptions } from '../helpers/test-app.ts';

const HELLO = {
  model: 'test-model',
  messages: [{ role: 'user' as const, content: 'Hello' }],
};

async function setUp(context: TestContext, options: TestAppOptions = {}) {
  const listening = await listeningApp(context, options);
  const client = new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: 'none', maxRetries: 0 });
  return { ...listening, client };
}

/** Fields OpenAI's types do not know. */
interface Ours {
  reasoning_content?: string | null;
  reasoning?: string | null;
}

test('returns a plain completion with its reasoning and usage', async (context) => {
  const { client } = await setUp(context);
  const completion = await client.chat.completions.create(HELLO);
  const [choice] = completion.choices;
  assert.equal(choice?.message.content, 'Forty-two');
  assert.equal((choice?.message as Ours | undefined)?.reasoning_content, 'Let me see.');
  assert.equal(choice?.finish_reason, 'stop');
  assert.equal(completion.usage?.completion_tokens_details?.reasoning_tokens, 4);
  assert.ok(completion._request_id);
});

test('streams a completion chunk by chunk', async (context) => {
  const { client } = await setUp(context);
  const stream = await client.chat.completions.create({
    ...HELLO,
    stream: true,
    stream_options: { include_usage: true },
  });
  let answer = '';
  let thinking = '';
  let usage: number | undefined;
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta;
    answer += delta?.content ?? '';
    thinking += (delta as Ours | undefined)?.reasoning ?? '';
    usage = chunk.usage?.total_tokens ?? usage;
  }
  assert.equal(answer, 'Forty-two');
  assert.equal(thinking, 'Let me see.');
  assert.equal(usage, 12);
});

test("the client's stream helper assembles the whole completion", async (context) => {
  const { client } = await setUp(context);
  const stream = client.chat.completions.stream({ ...HELLO, logprobs: true });
  const completion = await stream.finalChatCompletion();
  assert.equal(completion.choices[0]?.message.content, 'Forty-two');
  assert.equal(completion.choices[0]?.finish_reason, 'stop');
  assert.equal(completion.choices[0]?.logprobs?.content?.length, 3);
});

test('accepts an image as a data URL', async (context) => {
  const { client, engine } = await setUp(context);
  const url = 'data:image/png;base64,AAAA';
  await client.chat.completions.create({
    model: 'test-model',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url, detail: 'high' } },
          { type: 'text', text: 'What is this?' },
        ],
      },
    ],
  });
  assert.equal(engine.lastRequest.images[0]?.hash, url);
});

test('does not take a body of many packets for a client that disconnected', async (context) => {
  const engine = new FakeEngineClient(async function* (request, signal) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    yield* signal.aborted
      ? [finishEvent(request, { reason: 'abort' as const })]
      : scriptedEvents(request);
  });
  const { client } = await setUp(context, { engine });
  const url = `data:image/png;base64,${'A'.repeat(4_000_000)}`;
  const completion = await client.chat.completions.create({
    model: 'test-model',
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
  });
  assert.equal(completion.choices[0]?.message.content, 'Forty-two');
});

test('either field forces the mode', async (context) => {
  const { client, engine } = await setUp(context);
  const fast = { ...HELLO, thinking_mode: 'fast' };
  const { data, response } = await client.chat.completions.create(fast).withResponse();
  assert.equal((data.choices[0]?.message as Ours | undefined)?.reasoning_content, null);
  assert.equal(response.headers.get('x-thinking-decision'), 'fast');
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
  const think = { ...HELLO, chat_template_kwargs: { thinking_mode: 'long' } };
  await client.chat.completions.create(think);
  assert.equal(engine.lastRequest.thinking.requested, 'think');
});

test("a conversation continues with the reply's message unchanged", async (context) => {
  const { client } = await setUp(context);
  const first = await client.chat.completions.create(HELLO);
  const message = first.choices[0]?.message;
  assert.ok(message);
  const second = await client.chat.completions.create({
    model: 'test-model',
    messages: [...HELLO.messages, message, { role: 'user', content: 'And?' }],
  });
  assert.equal(second.choices[0]?.message.content, 'Forty-two');
});

test('aborting a stream stops the engine', async (context) => {
  const engine = new FakeEngineClient(untilAborted);
  const { client, log } = await setUp(context, { engine });
  const stream = await client.chat.completions.create({ ...HELLO, stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content === 'Still') break;
  }
  await until(() => engine.numEnded === 1 && log.length === 1, 'the engine to be stopped');
  assert.equal(log[0]?.status, 499);
  assert.equal(log[0]?.error, 'client_closed_request');
  assert.equal(log[0]?.tokens.answer, 1);
});

test('aborting a request that does not stream stops the engine', async (context) => {
  const engine = new FakeEngineClient(untilAborted);
  const { client, log } = await setUp(context, { engine });
  const abort = new AbortController();
  const completion = client.chat.completions.create(HELLO, { signal: abort.signal });
  await until(() => engine.requests.length === 1, 'the request to arrive');
  abort.abort();
  await assert.rejects(completion, OpenAI.APIUserAbortError);
  await until(() => engine.numEnded === 1 && log.length === 1, 'the engine to be stopped');
  assert.equal(log[0]?.status, 499);
  assert.equal(log[0]?.finish_reason, 'abort');
});

test('a client that disconnects before the decision stops the engine too', async (context) => {
  const engine = new FakeEngineClient(async function* (request, signal) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    yield finishEvent(request, { reason: 'abort' });
  });
  const { client, log } = await setUp(context, { engine });
  const abort = new AbortController();
  const stream = client.chat.completions.create(
    { ...HELLO, stream: true },
    { signal: abort.signal },
  );
  await until(() => engine.requests.length === 1, 'the request to arrive');
  abort.abort();
  await assert.rejects(stream);
  await until(() => engine.numEnded === 1 && log.length === 1, 'the engine to be stopped');
  assert.equal(log[0]?.status, 499);
});

test('takes no more tokens from the engine than a slow reader reads', async (context) => {
  let numTokens = 0;
  const engine = new FakeEngineClient(async function* (request, signal) {
    for await (const event of scriptedEvents(request, { answer: Array(3).fill('x') })) {
      if (event.type !== 'token' || event.section !== 'answer') {
        yield event;
        continue;
      }
      const pieces = [{ section: 'answer' as const, text: 'y'.repeat(100_000) }];
      for (let index = 0; index < 1_000 && !signal.aborted; index += 1) {
        numTokens += 1;
        yield { ...event, pieces };
      }
    }
  });
  const { url } = await setUp(context, { engine });
  const abort = new AbortController();
  const reply = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...HELLO, stream: true }),
    signal: abort.signal,
  });
  const reader = reply.body?.getReader();
  await reader?.read();
  let before = -1;
  // Nothing is read any more: the count must come to a stand far from the 3,000 there are.
  while (numTokens !== before) {
    before = numTokens;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(numTokens < 1_000, `${numTokens} tokens were taken`);
  abort.abort();
  await until(() => engine.numEnded === 1, 'the engine to be stopped');
});

test("rejections become the client's own errors with field and code", async (context) => {
  const { client } = await setUp(context);
  await assert.rejects(
    client.chat.completions.create({ ...HELLO, temperature: 5 }),
    (error: unknown) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, 'temperature');
      assert.equal(error.code, 'invalid_value');
      assert.equal(error.type, 'invalid_request_error');
      assert.ok(error.requestID);
      return true;
    },
  );
  await assert.rejects(
    client.chat.completions.create({ ...HELLO, model: 'gpt-9' }),
    (error: unknown) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found',
  );
  await assert.rejects(
    client.chat.completions.create({ ...HELLO, functions: [] }),
    (error: unknown) => error instanceof OpenAI.BadRequestError && error.param === 'functions',
  );
});

test('the client throws when a stream fails in the middle', async (context) => {
  const engine = failingAtLast();
  const { client } = await setUp(context, { engine });
  const stream = await client.chat.completions.create({ ...HELLO, stream: true });
  let answer = '';
  await assert.rejects(async () => {
    for await (const chunk of stream) answer += chunk.choices[0]?.delta.content ?? '';
  }, /The step failed/);
  assert.equal(answer, 'Forty-two');
});

test('the client retries after the time that a busy server or a spent quota names', async (context) => {
  const engine = busyAtFirst();
  const { client } = await setUp(context, { engine });
  const completion = await client.chat.completions.create(HELLO, { maxRetries: 2 });
  assert.equal(completion.choices[0]?.message.content, 'Forty-two');
  assert.equal(engine.requests.length, 3);
  engine.requests.length = 0;
  await assert.rejects(
    client.chat.completions.create(HELLO, { maxRetries: 1 }),
    (error: unknown) => error instanceof OpenAI.RateLimitError && error.status === 429,
  );
});

test('the models can be listed and looked up', async (context) => {
  const { client } = await setUp(context);
  const { data } = await client.models.list();
  assert.deepEqual(
    data.map(({ id }) => id),
    ['test-model', 'test-model:auto', 'test-model:think', 'test-model:fast'],
  );
  assert.equal((await client.models.retrieve('test-model')).owned_by, 'thinkgate');
  await assert.rejects(client.models.retrieve('other'), OpenAI.NotFoundError);
});

test('pings do not disturb the client', async (context) => {
  const engine = new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      yield event;
    }
  });
  const { client } = await setUp(context, { engine, settings: { pingIntervalMs: 1 } });
  const stream = client.chat.completions.stream(HELLO);
  assert.equal(await stream.finalContent(), 'Forty-two');
});

test('a closing server finishes running streams and rejects new requests', async (context) => {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const engine = new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request)) {
      if (event.type === 'finish') await released;
      yield event;
    }
  });
  const { client, app } = await setUp(context, { engine });
  const stream = await client.chat.completions.create({ ...HELLO, stream: true });
  const closed = app.close();
  release();
  let answer = '';
  for await (const chunk of stream) answer += chunk.choices[0]?.delta.content ?? '';
  assert.equal(answer, 'Forty-two');
  await closed;
  await assert.rejects(client.chat.completions.create(HELLO), OpenAI.APIConnectionError);
});

test('a connection without a request does not delay closing', async (context) => {
  const { app, url } = await setUp(context);
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  await once(socket, 'connect');
  const ended = once(socket, 'close');
  await app.close();
  await ended;
});

test('bytes that are not HTTP get an error of the same shape', async (context) => {
  const { url } = await setUp(context);
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let reply = '';
  socket.on('data', (bytes) => {
    reply += bytes;
  });
  socket.write('NONSENSE\r\n\r\n');
  await once(socket, 'close');
  assert.match(reply, /^HTTP\/1\.1 400 Bad Request\r\n/);
  const [, body = ''] = reply.split('\r\n\r\n');
  assert.equal(JSON.parse(body).error.code, 'invalid_request');
});

test('serves text completions, whole and streamed', async (context) => {
  const { client, engine } = await setUp(context);
  engine.script = (request) => scriptedEvents(request, { reasoning: [] });
  const asked = { model: 'test-model', prompt: ['One', 'Two'], echo: true };
  const { choices, usage } = await client.completions.create(asked);
  assert.deepEqual(
    choices.map(({ text }) => text),
    ['OneForty-two', 'TwoForty-two'],
  );
  assert.equal(usage?.total_tokens, 12);
  const texts = ['', ''];
  for await (const chunk of await client.completions.create({ ...asked, stream: true })) {
    for (const { index, text } of chunk.choices) texts[index] += text;
  }
  assert.deepEqual(texts, ['OneForty-two', 'TwoForty-two']);
});

const WEATHER = {
  type: 'function' as const,
  function: { name: 'weather', parameters: { type: 'object' } },
};

test('calls a tool, whole and streamed, and accepts its result', async (context) => {
  const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';
  const { client, engine, formatter } = await setUp(context);
  engine.script = (request) => scriptedEvents(request, { answer: [...call] });
  const asked = { ...HELLO, tools: [WEATHER], tool_choice: 'auto' as const };
  const whole = await client.chat.completions.create(asked);
  const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
  for (const { choices } of [whole, streamed]) {
    const [made] = choices[0]?.message.tool_calls ?? [];
    assert.ok(made?.type === 'function');
    assert.deepEqual(JSON.parse(made.function.arguments), { city: 'Bern' });
    assert.equal(choices[0]?.finish_reason, 'tool_calls');
  }
  const message = whole.choices[0]?.message;
  const id = message?.tool_calls?.[0]?.id;
  assert.ok(message && id);
  const result = { role: 'tool' as const, tool_call_id: id, content: 'Rain.' };
  await client.chat.completions.create({
    ...asked,
    messages: [...HELLO.messages, message, result],
  });
  assert.deepEqual(
    formatter.calls.at(-1)?.messages.map(({ role }) => role),
    ['user', 'assistant', 'tool'],
  );
});

test("an answer after a schema, by the client's own parser", async (context) => {
  const { client, engine } = await setUp(context);
  engine.script = (request) => scriptedEvents(request, { answer: ['{"city": ', '"Bern"}'] });
  const format = zodResponseFormat(z.object({ city: z.string() }), 'place');
  const { choices } = await client.chat.completions.parse({ ...HELLO, response_format: format });
  assert.deepEqual(choices[0]?.message.parsed, { city: 'Bern' });
  assert.match(String(engine.lastRequest.grammar), /"city"/);
});
