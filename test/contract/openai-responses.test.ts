import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import {
  responseEventSchema,
  responseSchema,
} from '../../src/server/api/responses/reply-schema.ts';
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

const HELLO = { model: 'test-model', input: 'Hello' };
const WEATHER = {
  type: 'function' as const,
  name: 'weather',
  description: 'Weather of a city.',
  parameters: { type: 'object' },
  strict: false,
};
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';

async function setUp(context: TestContext, options: TestAppOptions = {}) {
  const listening = await listeningApp(context, options);
  const client = new OpenAI({ baseURL: `${listening.url}/v1`, apiKey: 'none', maxRetries: 0 });
  return { ...listening, client };
}

const saying = (options: ScriptOptions): FakeEngineClient =>
  new FakeEngineClient((request) => scriptedEvents(request, options));

test('a response has the thinking and the answer as items', async (context) => {
  const { client } = await setUp(context);
  const response = await client.responses.create({ ...HELLO, metadata: { a: 'b' } });
  assert.equal(response.output_text, 'Forty-two');
  assert.equal(response.status, 'completed');
  const [reasoning, message] = response.output;
  assert.ok(reasoning?.type === 'reasoning' && message?.type === 'message');
  assert.deepEqual(reasoning.content, [{ type: 'reasoning_text', text: 'Let me see.' }]);
  assert.deepEqual(reasoning.summary, []);
  assert.equal(response.usage?.output_tokens_details.reasoning_tokens, 4);
  assert.equal(response.usage?.input_tokens_details.cached_tokens, 2);
  assert.deepEqual(response.metadata, { a: 'b' });
  assert.equal(response.reasoning?.effort, null);
});

test('a request for a summary gets the thinking in it', async (context) => {
  const { client } = await setUp(context);
  const asked = { ...HELLO, reasoning: { summary: 'auto' as const } };
  const { output } = await client.responses.create(asked);
  const [reasoning] = output;
  assert.ok(reasoning?.type === 'reasoning');
  assert.deepEqual(reasoning.summary, [{ type: 'summary_text', text: 'Let me see.' }]);
  const streamed = await client.responses.stream(asked).finalResponse();
  assert.deepEqual(streamed.output[0], { ...reasoning, id: streamed.output[0]?.id });
});

test('streams numbered events', async (context) => {
  const { client } = await setUp(context);
  const stream = await client.responses.create({ ...HELLO, stream: true });
  const seen: string[] = [];
  for await (const event of stream) {
    assert.equal(event.sequence_number, seen.length);
    responseEventSchema.parse(event);
    seen.push(event.type);
  }
  assert.deepEqual(seen, [
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.reasoning_text.delta',
    'response.reasoning_text.delta',
    'response.reasoning_text.delta',
    'response.reasoning_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.delta',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ]);
});

test("the client's stream helper assembles the same response", async (context) => {
  const { client } = await setUp(context);
  const whole = await client.responses.create(HELLO);
  const streamed = await client.responses.stream(HELLO).finalResponse();
  assert.equal(streamed.output_text, whole.output_text);
  assert.deepEqual(
    streamed.output.map(({ type }) => type),
    whole.output.map(({ type }) => type),
  );
  // The helper adds fields of its own; what it made goes back all the same.
  const hello = { role: 'user' as const, content: 'Hello' };
  const again = await client.responses.create({
    model: 'test-model',
    input: [hello, ...asInput(streamed), { role: 'user', content: 'And?' }],
  });
  assert.equal(again.status, 'completed');
  assert.deepEqual(streamed.usage, whole.usage);
  responseSchema.parse(whole);
});

/** What came out, to be sent back in: the client's types do not see that they fit. */
const asInput = ({ output }: Pick<OpenAI.Responses.Response, 'output'>) =>
  output as OpenAI.Responses.ResponseInputItem[];

test('accepts an image and instructions', async (context) => {
  const { client, engine, formatter } = await setUp(context);
  const url = 'data:image/png;base64,AAAA';
  await client.responses.create({
    model: 'test-model',
    instructions: 'Be brief.',
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_image', image_url: url, detail: 'low' },
          { type: 'input_text', text: 'What is this?' },
        ],
      },
    ],
  });
  assert.equal(engine.lastRequest.images[0]?.hash, url);
  assert.deepEqual(formatter.calls[0]?.messages[0], { role: 'system', content: 'Be brief.' });
});

test('an effort or the model name forces the mode', async (context) => {
  const { client, engine } = await setUp(context);
  await client.responses.create({ ...HELLO, reasoning: { effort: 'none' } });
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
  await client.responses.create({ ...HELLO, reasoning: { effort: 'low' } });
  assert.equal(engine.lastRequest.thinking.requested, 'think');
  const named = await client.responses.create({ ...HELLO, model: 'test-model:fast' });
  assert.deepEqual(
    named.output.map(({ type }) => type),
    ['message'],
  );
});

test('calls a tool and accepts every item back unchanged', async (context) => {
  const { client, formatter } = await setUp(context, {
    engine: saying({ reasoning: ['Hm.'], answer: [...`Let me look.\n\n${CALL}`] }),
  });
  const first = await client.responses.create({ ...HELLO, tools: [WEATHER], tool_choice: 'auto' });
  const [, , call] = first.output;
  assert.ok(call?.type === 'function_call');
  assert.deepEqual([call.name, JSON.parse(call.arguments)], ['weather', { city: 'Bern' }]);
  await client.responses.create({
    model: 'test-model',
    tools: [WEATHER],
    input: [
      { role: 'user', content: 'Hello' },
      ...asInput(first),
      { type: 'function_call_output', call_id: call.call_id, output: 'Rain.' },
    ],
  });
  const [, assistant, result] = formatter.calls.at(-1)?.messages ?? [];
  assert.equal(assistant?.reasoning, 'Hm.');
  assert.equal(assistant?.content, 'Let me look.');
  assert.equal(assistant?.toolCalls?.[0]?.id, call.call_id);
  assert.deepEqual([result?.role, result?.content], ['tool', 'Rain.']);
});

test("the client's stream helper assembles streamed calls", async (context) => {
  const answer = [...`Two.\n${CALL}\n${CALL.replace('Bern', 'Graz')}`];
  const { client } = await setUp(context, { engine: saying({ reasoning: [], answer }) });
  const asked = { ...HELLO, tools: [WEATHER] };
  const { output } = await client.responses.stream(asked).finalResponse();
  assert.deepEqual(
    output.map((item) => (item.type === 'function_call' ? JSON.parse(item.arguments) : item.type)),
    ['message', { city: 'Bern' }, { city: 'Graz' }],
  );
});

test('enforces calls and answers that fit a schema', async (context) => {
  const { client, engine } = await setUp(context);
  engine.script = (request) => scriptedEvents(request, { answer: [CALL] });
  const named = { type: 'function' as const, name: 'weather' };
  const allowed = { type: 'allowed_tools' as const, mode: 'required' as const, tools: [named] };
  for (const choice of ['required' as const, named, allowed]) {
    const asked = { ...HELLO, tools: [WEATHER], parallel_tool_calls: false };
    const { output } = await client.responses.create({ ...asked, tool_choice: choice });
    assert.equal(output.at(-1)?.type, 'function_call');
    assert.match(String(engine.lastRequest.grammar), /weather/);
  }
  engine.script = (request) => scriptedEvents(request, { answer: ['{"city": "Bern"}'] });
  const schema = z.object({ city: z.string() });
  const text = { format: zodTextFormat(schema, 'place') };
  const parsed = await client.responses.parse({ ...HELLO, text });
  assert.deepEqual(parsed.output_parsed, { city: 'Bern' });
  assert.match(String(engine.lastRequest.grammar), /"city"/);
});

test('returns log-probabilities where the request includes them', async (context) => {
  const { client } = await setUp(context);
  const asked = {
    ...HELLO,
    include: ['message.output_text.logprobs' as const],
    top_logprobs: 1,
  };
  for (const response of [
    await client.responses.create(asked),
    await client.responses.stream(asked).finalResponse(),
  ]) {
    const message = response.output.at(-1);
    assert.ok(message?.type === 'message');
    const [part] = message.content;
    assert.ok(part?.type === 'output_text');
    assert.equal(part.logprobs?.length, 3);
    assert.equal(part.logprobs?.[0]?.top_logprobs.length, 1);
  }
});

test('a response cut off is incomplete and says why', async (context) => {
  const { client } = await setUp(context, { engine: saying({ finish: { reason: 'length' } }) });
  for (const response of [
    await client.responses.create(HELLO),
    await client.responses.stream(HELLO).finalResponse(),
  ]) {
    assert.equal(response.status, 'incomplete');
    assert.equal(response.incomplete_details?.reason, 'max_output_tokens');
    assert.deepEqual(
      response.output.map((item) => 'status' in item && item.status),
      ['completed', 'incomplete'],
    );
  }
});

test('aborting a stream stops the engine', async (context) => {
  const engine = new FakeEngineClient(untilAborted);
  const { client, log } = await setUp(context, { engine });
  const stream = await client.responses.create({ ...HELLO, stream: true });
  for await (const event of stream) if (event.type === 'response.output_text.delta') break;
  await until(() => engine.numEnded === 1 && log.length === 1, 'the engine to be stopped');
  assert.equal(log[0]?.status, 499);
});

test('the client retries after the time that a busy server or a spent quota names', async (context) => {
  const engine = busyAtFirst();
  const { client } = await setUp(context, { engine });
  const response = await client.responses.create(HELLO, { maxRetries: 2 });
  assert.equal(response.output_text, 'Forty-two');
  assert.equal(engine.requests.length, 3);
});

test('a failure in the middle of a stream ends it with a failed response', async (context) => {
  const engine = failingAtLast();
  const { client } = await setUp(context, { engine });
  const response = await client.responses.stream(HELLO).finalResponse();
  assert.equal(response.status, 'failed');
  assert.equal(response.error?.message, 'The step failed.');
});

test('counts input tokens without generating', async (context) => {
  const { client, engine } = await setUp(context);
  const count = await client.responses.inputTokens.count({ ...HELLO, instructions: 'Be brief.' });
  assert.equal(count.input_tokens, 14);
  assert.equal(engine.requests.length, 0);
});

test('stores nothing, and rejects a request to store', async (context) => {
  const { client } = await setUp(context);
  const { id } = await client.responses.create(HELLO);
  for (const asked of [
    client.responses.retrieve(id),
    client.responses.delete(id),
    client.responses.cancel(id),
  ]) {
    await assert.rejects(asked, (error: unknown) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'response_not_found');
      assert.match(error.message, /keeps nothing/);
      return true;
    });
  }
});
