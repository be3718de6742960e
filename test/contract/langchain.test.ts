import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type AIMessageChunk,
  HumanMessage,
  ToolMessage,
  type UsageMetadata,
} from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, type ChatOpenAIFields } from '@langchain/openai';
import { z } from 'zod';
import {
  busyAtFirst,
  FakeEngineClient,
  type ScriptOptions,
  scriptedEvents,
  untilAborted,
} from '../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../helpers/listening-app.ts';
import type { TestAppOptions } from '../helpers/test-app.ts';

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';

async function setUp(context: TestContext, options: TestAppOptions = {}) {
  const listening = await listeningApp(context, options);
  const chat = (fields: ChatOpenAIFields = {}): ChatOpenAI =>
    new ChatOpenAI({
      model: 'test-model',
      apiKey: 'none',
      maxRetries: 0,
      configuration: { baseURL: `${listening.url}/v1` },
      ...fields,
    });
  return { ...listening, chat };
}

const saying = (options: ScriptOptions): FakeEngineClient =>
  new FakeEngineClient((request) => scriptedEvents(request, options));

const weather = tool(({ city }) => `Rain in ${city}.`, {
  name: 'weather',
  description: 'Weather of a city.',
  schema: z.object({ city: z.string() }),
});

test('returns a plain answer with its reasoning and usage', async (context) => {
  const { chat } = await setUp(context);
  const message = await chat().invoke('Hello');
  const usage = message.usage_metadata as UsageMetadata | undefined;
  assert.equal(message.content, 'Forty-two');
  assert.equal(message.additional_kwargs['reasoning_content'], 'Let me see.');
  assert.equal(usage?.output_tokens, 7);
  assert.equal(usage?.output_token_details?.reasoning, 4);
});

test('streams an answer', async (context) => {
  const { chat } = await setUp(context);
  let answer = '';
  let thinking = '';
  for await (const chunk of await chat().stream('Hello')) {
    answer += String(chunk.content);
    thinking += String(chunk.additional_kwargs['reasoning_content'] ?? '');
  }
  assert.equal(answer, 'Forty-two');
  assert.equal(thinking, 'Let me see.');
});

test('accepts an image', async (context) => {
  const { chat, engine } = await setUp(context);
  const url = 'data:image/png;base64,AAAA';
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: 'What is this?' },
  ];
  await chat().invoke([new HumanMessage({ content })]);
  assert.equal(engine.lastRequest.images[0]?.hash, url);
});

test('an extension field or the model name forces the mode', async (context) => {
  const { chat, engine } = await setUp(context);
  await chat({ modelKwargs: { thinking_mode: 'fast' } }).invoke('Hello');
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
  await chat({ modelKwargs: { reasoning_effort: 'low' } }).invoke('Hello');
  assert.equal(engine.lastRequest.thinking.requested, 'think');
  await chat({ model: 'test-model:think' }).invoke('Hello');
  assert.equal(engine.lastRequest.thinking.requested, 'think');
});

test("the client's switch selects the Responses API", async (context) => {
  const { chat, engine } = await setUp(context);
  // The client passes its own `reasoning` on for models of OpenAI's only.
  const modelKwargs = { reasoning: { effort: 'low', summary: 'auto' } };
  const message = await chat({ useResponsesApi: true, modelKwargs }).invoke('Hello');
  assert.equal(message.text, 'Forty-two');
  assert.equal(engine.lastRequest.thinking.requested, 'think');
  let text = '';
  for await (const chunk of await chat({ useResponsesApi: true }).stream('Hello')) {
    text += chunk.text;
  }
  assert.equal(text, 'Forty-two');
});

test('calls a tool and accepts its result', async (context) => {
  const { chat, formatter } = await setUp(context, { engine: saying({ answer: [...CALL] }) });
  const model = chat().bindTools([weather]);
  const question = new HumanMessage('Hello');
  const called = await model.invoke([question]);
  const [call] = called.tool_calls ?? [];
  assert.deepEqual([call?.name, call?.args], ['weather', { city: 'Bern' }]);
  const result = new ToolMessage({ content: 'Rain.', tool_call_id: call?.id ?? '' });
  await model.invoke([question, called, result]);
  assert.deepEqual(
    formatter.calls.at(-1)?.messages.map(({ role }) => role),
    ['user', 'assistant', 'tool'],
  );
  let streamed: AIMessageChunk | undefined;
  for await (const chunk of await model.stream([question])) {
    streamed = streamed?.concat(chunk) ?? chunk;
  }
  assert.deepEqual(streamed?.tool_calls?.[0]?.args, { city: 'Bern' });
});

test('returns structured output by schema and by tool call', async (context) => {
  const { chat, engine } = await setUp(context);
  const schema = z.object({ city: z.string() });
  engine.script = (request) => scriptedEvents(request, { answer: ['{"city": "Bern"}'] });
  const bySchema = chat().withStructuredOutput(schema, { method: 'jsonSchema', name: 'place' });
  assert.deepEqual(await bySchema.invoke('Hello'), { city: 'Bern' });
  assert.match(String(engine.lastRequest.grammar), /"city"/);
  engine.script = (request) =>
    scriptedEvents(request, { answer: [CALL.replace('weather', 'place')] });
  const byCall = chat().withStructuredOutput(schema, { method: 'functionCalling', name: 'place' });
  assert.deepEqual(await byCall.invoke('Hello'), { city: 'Bern' });
});

test('aborting a stream stops the engine', async (context) => {
  const engine = new FakeEngineClient(untilAborted);
  const { chat, log } = await setUp(context, { engine });
  const abort = new AbortController();
  const stream = await chat().stream('Hello', { signal: abort.signal });
  await assert.rejects(async () => {
    for await (const chunk of stream) if (chunk.content === 'Still') abort.abort();
  });
  await until(() => engine.numEnded === 1 && log.length === 1, 'the engine to be stopped');
  assert.equal(log[0]?.status, 499);
});

test('the client retries when the server is busy or a quota is spent', async (context) => {
  const engine = busyAtFirst();
  const { chat } = await setUp(context, { engine });
  assert.equal((await chat({ maxRetries: 2 }).invoke('Hello')).content, 'Forty-two');
  assert.equal(engine.requests.length, 3);
});

test("refusals become the client's errors with the message", async (context) => {
  const { chat } = await setUp(context);
  await assert.rejects(chat({ modelKwargs: { temperature: 5 } }).invoke('Hello'), /`temperature`/);
});
