import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import {
  busyAtFirst,
  FakeEngineClient,
  failingAtLast,
  type ScriptOptions,
  scriptedEvents,
  untilAborted,
} from '../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../helpers/listening-app.ts';
import type { TestAppOptions } from '../helpers/test-app.ts';

const HELLO = {
  model: 'test-model',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Hello' }],
};
const ADAPTIVE = { ...HELLO, thinking: { type: 'adaptive' as const } };
const WEATHER = {
  name: 'weather',
  description: 'Weather of a city.',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
};
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';

async function setUp(context: TestContext, options: TestAppOptions = {}) {
  const listening = await listeningApp(context, options);
  const client = new Anthropic({ baseURL: listening.url, apiKey: 'none', maxRetries: 0 });
  return { ...listening, client };
}

const saying = (options: ScriptOptions): FakeEngineClient =>
  new FakeEngineClient((request) => scriptedEvents(request, options));

test('a plain message has text only, whatever the model thought', async (context) => {
  const { client } = await setUp(context);
  const message = await client.messages.create(HELLO);
  assert.deepEqual(message.content, [{ type: 'text', text: 'Forty-two', citations: null }]);
  assert.equal(message.stop_reason, 'end_turn');
  assert.match(message.id, /^msg-/);
  assert.ok(message._request_id);
  assert.equal(message.usage.input_tokens, 3);
  assert.equal(message.usage.cache_read_input_tokens, 2);
  assert.equal(message.usage.output_tokens, 7);
  assert.equal(message.usage.output_tokens_details?.thinking_tokens, 4);
});

test('a request that sets thinking gets thinking blocks', async (context) => {
  const { client } = await setUp(context);
  const { content } = await client.messages.create(ADAPTIVE);
  assert.deepEqual(content, [
    { type: 'thinking', thinking: 'Let me see.', signature: 'unsigned' },
    { type: 'text', text: 'Forty-two', citations: null },
  ]);
  const thinking = { type: 'adaptive' as const, display: 'omitted' as const };
  const omitted = await client.messages.create({ ...HELLO, thinking });
  assert.deepEqual(omitted.content[0], { type: 'thinking', thinking: '', signature: 'unsigned' });
});

test('streams a message event by event', async (context) => {
  const { client } = await setUp(context);
  const stream = await client.messages.create({ ...ADAPTIVE, stream: true });
  const seen: string[] = [];
  for await (const event of stream) {
    seen.push('delta' in event && 'type' in event.delta ? event.delta.type : event.type);
  }
  assert.deepEqual(seen, [
    'message_start',
    'content_block_start',
    'thinking_delta',
    'thinking_delta',
    'thinking_delta',
    'signature_delta',
    'content_block_stop',
    'content_block_start',
    'text_delta',
    'text_delta',
    'text_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ]);
});

test("the client's stream helper assembles the same message", async (context) => {
  const { client } = await setUp(context);
  const whole = await client.messages.create(ADAPTIVE);
  const streamed = await client.messages.stream(ADAPTIVE).finalMessage();
  assert.deepEqual(streamed.content, whole.content);
  assert.equal(streamed.stop_reason, whole.stop_reason);
  assert.deepEqual({ ...streamed.usage }, { ...whole.usage });
});

test('a stream hides or omits the thinking as requested', async (context) => {
  const { client } = await setUp(context);
  const hidden = await client.messages.stream(HELLO).finalMessage();
  assert.deepEqual(hidden.content, [{ type: 'text', text: 'Forty-two', citations: null }]);
  const thinking = { type: 'adaptive' as const, display: 'omitted' as const };
  const omitted = await client.messages.stream({ ...HELLO, thinking }).finalMessage();
  assert.deepEqual(omitted.content[0], { type: 'thinking', thinking: '', signature: 'unsigned' });
});

test('accepts images as base64 and by URL', async (context) => {
  const { client, engine } = await setUp(context);
  await client.messages.create({
    ...HELLO,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          { type: 'image', source: { type: 'url', url: 'data:image/png;base64,BBBB' } },
          { type: 'text', text: 'What are these?' },
        ],
      },
    ],
  });
  assert.deepEqual(
    engine.lastRequest.images.map(({ hash }) => hash),
    ['data:image/png;base64,AAAA', 'data:image/png;base64,BBBB'],
  );
});

test('the thinking field or the model name forces the mode', async (context) => {
  const { client, engine } = await setUp(context);
  const think = { type: 'enabled' as const, budget_tokens: 50 };
  await client.messages.create({ ...HELLO, thinking: think });
  assert.equal(engine.lastRequest.thinking.requested, 'think');
  assert.equal(engine.lastRequest.thinking.budget, 50);
  const fast = await client.messages.create({ ...HELLO, thinking: { type: 'disabled' } });
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
  assert.equal(fast.content.length, 1);
  const named = await client.messages.create({ ...HELLO, model: 'test-model:think' });
  assert.equal(named.content[0]?.type, 'thinking');
  await client.messages.create(ADAPTIVE);
  assert.equal(engine.lastRequest.thinking.requested, 'auto');
});

test('an effort limits the thinking and leaves the decision to the model', async (context) => {
  const { client, engine } = await setUp(context);
  await client.messages.create({ ...ADAPTIVE, output_config: { effort: 'low' } });
  assert.equal(engine.lastRequest.thinking.requested, 'auto');
  assert.equal(engine.lastRequest.thinking.budget, 512);
});

test('calls a tool and accepts its result', async (context) => {
  const { client, formatter } = await setUp(context, {
    engine: saying({ reasoning: ['Hm.'], answer: [...`Let me look.\n\n${CALL}`] }),
  });
  const asked = { ...ADAPTIVE, tools: [WEATHER], tool_choice: { type: 'auto' as const } };
  const first = await client.messages.create(asked);
  assert.equal(first.stop_reason, 'tool_use');
  const [thinking, text, call] = first.content;
  assert.equal(thinking?.type, 'thinking');
  assert.equal(text?.type, 'text');
  assert.ok(call?.type === 'tool_use');
  assert.equal(call.name, 'weather');
  assert.deepEqual(call.input, { city: 'Bern' });
  await client.messages.create({
    ...asked,
    messages: [
      ...HELLO.messages,
      { role: 'assistant', content: first.content },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: call.id, content: 'Rain.', is_error: true },
          { type: 'text', text: 'And now?' },
        ],
      },
    ],
  });
  const [, assistant, result, user] = formatter.calls.at(-1)?.messages ?? [];
  assert.equal(assistant?.reasoning, 'Hm.');
  assert.equal(assistant?.toolCalls?.[0]?.id, call.id);
  assert.equal(result?.role, 'tool');
  assert.equal(result?.content, 'Error: Rain.');
  assert.deepEqual(user?.content, [{ type: 'text', text: 'And now?' }]);
});

test("the client's stream helper assembles a streamed call", async (context) => {
  const { client } = await setUp(context, {
    engine: saying({ reasoning: [], answer: [...`${CALL}\n${CALL.replace('Bern', 'Graz')}`] }),
  });
  const { content } = await client.messages.stream({ ...HELLO, tools: [WEATHER] }).finalMessage();
  assert.deepEqual(
    content.map((block) => (block.type === 'tool_use' ? block.input : block)),
    [{ city: 'Bern' }, { city: 'Graz' }],
  );
});

test('enforces calls and answers that fit a schema', async (context) => {
  const { client, engine } = await setUp(context);
  engine.script = (request) => scriptedEvents(request, { answer: [CALL] });
  const asked = { ...HELLO, tools: [WEATHER] };
  for (const choice of [{ type: 'any' as const }, { type: 'tool' as const, name: 'weather' }]) {
    const toolChoice = { ...choice, disable_parallel_tool_use: true };
    const { content } = await client.messages.create({ ...asked, tool_choice: toolChoice });
    assert.equal(content[0]?.type, 'tool_use');
    assert.match(String(engine.lastRequest.grammar), /weather/);
  }
  engine.script = (request) => scriptedEvents(request, { answer: ['{"city": "Bern"}'] });
  const schema = { type: 'object', properties: { city: { type: 'string' } } };
  const format = { type: 'json_schema' as const, schema };
  const { content } = await client.messages.create({ ...HELLO, output_config: { format } });
  assert.deepEqual(content[0], { type: 'text', text: '{"city": "Bern"}', citations: null });
  assert.match(String(engine.lastRequest.grammar), /"city"/);
});

test('stop_reason says why a message ended', async (context) => {
  const { client, engine } = await setUp(context);
  engine.script = (request) =>
    scriptedEvents(request, { finish: { reason: 'stop', stopString: 'END' } });
  const stopped = await client.messages.create({ ...HELLO, stop_sequences: ['END'] });
  assert.deepEqual([stopped.stop_reason, stopped.stop_sequence], ['stop_sequence', 'END']);
  assert.deepEqual(engine.lastRequest.stop, ['END']);
  engine.script = (request) => scriptedEvents(request, { finish: { reason: 'length' } });
  assert.equal((await client.messages.create(HELLO)).stop_reason, 'max_tokens');
  const streamed = await client.messages.stream(HELLO).finalMessage();
  assert.equal(streamed.stop_reason, 'max_tokens');
});

test('continues a last message of the assistant', async (context) => {
  const { client, formatter } = await setUp(context);
  await client.messages.create({
    ...HELLO,
    messages: [...HELLO.messages, { role: 'assistant', content: 'It is' }],
  });
  assert.equal(formatter.calls[0]?.continueFinal, true);
});

test('aborting a stream stops the engine', async (context) => {
  const engine = new FakeEngineClient(untilAborted);
  const { client, log } = await setUp(context, { engine });
  const stream = client.messages.stream(HELLO);
  stream.on('text', () => stream.abort());
  await assert.rejects(stream.done(), Anthropic.APIUserAbortError);
  await until(() => engine.numEnded === 1 && log.length === 1, 'the engine to be stopped');
  assert.equal(log[0]?.status, 499);
});

test('the client retries after the time that a busy server or a spent quota names', async (context) => {
  const engine = busyAtFirst();
  const { client } = await setUp(context, { engine });
  const message = await client.messages.create(HELLO, { maxRetries: 2 });
  assert.equal(message.stop_reason, 'end_turn');
  assert.equal(engine.requests.length, 3);
  engine.requests.length = 0;
  await assert.rejects(client.messages.create(HELLO), (error: unknown) => {
    assert.ok(error instanceof Anthropic.APIError);
    assert.equal(error.status, 503);
    assert.equal(error.type, 'overloaded_error');
    return true;
  });
});

test("refusals are in Anthropic's shape and name the caller's field", async (context) => {
  const { client } = await setUp(context);
  const thinking = { type: 'disabled' as const };
  await assert.rejects(
    client.messages.create({ ...HELLO, thinking, output_config: { effort: 'high' } }),
    (error: unknown) => {
      assert.ok(error instanceof Anthropic.BadRequestError);
      assert.equal(error.type, 'invalid_request_error');
      assert.match(
        error.message,
        /`thinking\.type`.*`output_config\.effort`|`output_config\.effort`.*`thinking\.type`/,
      );
      assert.ok(error.requestID);
      return true;
    },
  );
  await assert.rejects(
    client.messages.create({ ...HELLO, model: 'claude-9' }),
    (error: unknown) =>
      error instanceof Anthropic.NotFoundError && error.type === 'not_found_error',
  );
});

test('the client throws when a stream fails in the middle', async (context) => {
  const engine = failingAtLast();
  const { client } = await setUp(context, { engine });
  await assert.rejects(client.messages.stream(HELLO).finalMessage(), /The step failed/);
});

test('pings do not disturb the client', async (context) => {
  const engine = new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      yield event;
    }
  });
  const { client } = await setUp(context, { engine, settings: { pingIntervalMs: 1 } });
  assert.equal(await client.messages.stream(HELLO).finalText(), 'Forty-two');
});

test('counts tokens without generating', async (context) => {
  const { client, engine } = await setUp(context);
  const { max_tokens: _, ...asked } = HELLO;
  const count = await client.messages.countTokens({ ...asked, system: 'Be brief.' });
  assert.equal(count.input_tokens, 14);
  assert.equal(engine.requests.length, 0);
});

test("the models can be listed with Anthropic's client too", async (context) => {
  const { client } = await setUp(context);
  const { data } = await client.models.list();
  assert.equal(data[0]?.id, 'test-model');
  assert.ok(Number.isFinite(Date.parse(data[0]?.created_at ?? '')));
  assert.equal((await client.models.retrieve('test-model:fast')).type, 'model');
});
