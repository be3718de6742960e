import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError,
  generateObject,
  generateText,
  type ModelMessage,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import { z } from 'zod';
import {
  busyAtFirst,
  FakeEngineClient,
  failingAtLast,
  scriptedEvents,
  untilAborted,
} from '../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../helpers/listening-app.ts';
import type { TestAppOptions } from '../helpers/test-app.ts';

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';

async function setUp(context: TestContext, options: TestAppOptions = {}) {
  const listening = await listeningApp(context, options);
  const thinkgate = createOpenAICompatible({
    name: 'thinkgate',
    baseURL: `${listening.url}/v1`,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
  return { ...listening, thinkgate, model: thinkgate('test-model') };
}

test('returns a plain answer with its reasoning and usage', async (context) => {
  const { model } = await setUp(context);
  const result = await generateText({ model, prompt: 'Hello' });
  assert.equal(result.text, 'Forty-two');
  assert.equal(result.reasoningText, 'Let me see.');
  assert.equal(result.finishReason, 'stop');
  assert.equal(result.usage.outputTokens, 7);
  assert.equal(result.usage.outputTokenDetails.reasoningTokens, 4);
});

test('streams reasoning, then text, then usage', async (context) => {
  const { model } = await setUp(context);
  const { fullStream, usage, finishReason } = streamText({ model, prompt: 'Hello' });
  const seen: string[] = [];
  for await (const part of fullStream) {
    assert.notEqual(part.type, 'error');
    if (seen.at(-1) !== part.type) seen.push(part.type);
  }
  assert.deepEqual(
    seen.filter((type) => /^(reasoning|text)-/.test(type)),
    ['reasoning-start', 'reasoning-delta', 'reasoning-end', 'text-start', 'text-delta', 'text-end'],
  );
  assert.equal((await usage).outputTokens, 7);
  assert.equal(await finishReason, 'stop');
});

test('accepts an image', async (context) => {
  const { model, engine } = await setUp(context);
  const image = Buffer.from('image').toString('base64');
  await generateText({
    model,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', image, mediaType: 'image/png' },
          { type: 'text', text: 'What is this?' },
        ],
      },
    ],
  });
  assert.equal(engine.lastRequest.images[0]?.hash, `data:image/png;base64,${image}`);
});

test('an effort, an extension field or the model name forces the mode', async (context) => {
  const { model, thinkgate, engine } = await setUp(context);
  const ask = (options: Record<string, string>) =>
    generateText({ model, prompt: 'Hello', providerOptions: { thinkgate: options } });
  const fast = await ask({ reasoningEffort: 'none' });
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
  assert.equal(fast.reasoningText, undefined);
  await ask({ reasoningEffort: 'low' });
  assert.equal(engine.lastRequest.thinking.requested, 'think');
  await ask({ thinking_mode: 'fast' });
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
  await generateText({ model: thinkgate('test-model:think'), prompt: 'Hello' });
  assert.equal(engine.lastRequest.thinking.requested, 'think');
});

const weather = tool({
  description: 'Weather of a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `Rain in ${city}.`,
});

/** Calls the tool, then answers. */
const callingEngine = (): FakeEngineClient =>
  new FakeEngineClient((request) => {
    const isFirst = !String.fromCharCode(...request.promptTokenIds).includes('Rain');
    return scriptedEvents(request, { answer: isFirst ? [...CALL] : ['It ', 'rains.'] });
  });

test('calls a tool and reads its result within one generateText', async (context) => {
  const { model, formatter } = await setUp(context, { engine: callingEngine() });
  const asked = { model, tools: { weather }, stopWhen: stepCountIs(2) };
  const whole = await generateText({ ...asked, prompt: 'Hello' });
  assert.equal(whole.text, 'It rains.');
  assert.equal(whole.steps[0]?.finishReason, 'tool-calls');
  const streamed = streamText({ ...asked, prompt: 'Hello' });
  assert.equal(await streamed.text, 'It rains.');
  const [, assistant, result] = formatter.calls.at(-1)?.messages ?? [];
  assert.equal(assistant?.reasoning, 'Let me see.');
  assert.equal(result?.role, 'tool');
});

test('returns an object that fits a schema', async (context) => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, { answer: ['{"city": ', '"Bern"}'] }),
  );
  const { model } = await setUp(context, { engine });
  const schema = z.object({ city: z.string() });
  const { object } = await generateObject({ model, schema, prompt: 'Hello' });
  assert.deepEqual(object, { city: 'Bern' });
  assert.match(String(engine.lastRequest.grammar), /"city"/);
});

test('a conversation continues with the messages unchanged', async (context) => {
  const { model } = await setUp(context);
  const first: ModelMessage[] = [{ role: 'user', content: 'Hello' }];
  const { response } = await generateText({ model, messages: first });
  const messages: ModelMessage[] = [
    ...first,
    ...response.messages,
    { role: 'user', content: 'And?' },
  ];
  assert.equal((await generateText({ model, messages })).text, 'Forty-two');
});

test('aborting a stream stops the engine', async (context) => {
  const engine = new FakeEngineClient(untilAborted);
  const { model, log } = await setUp(context, { engine });
  const abort = new AbortController();
  const { textStream } = streamText({
    model,
    prompt: 'Hello',
    abortSignal: abort.signal,
    onError: () => undefined,
  });
  for await (const _ of textStream) abort.abort();
  await until(() => engine.numEnded === 1 && log.length === 1, 'the engine to be stopped');
  assert.equal(log[0]?.status, 499);
});

test('the client retries after the time that a busy server or a spent quota names', async (context) => {
  const engine = busyAtFirst();
  const { model } = await setUp(context, { engine });
  assert.equal((await generateText({ model, prompt: 'Hello' })).text, 'Forty-two');
  assert.equal(engine.requests.length, 3);
});

test('a rejection carries the message, and the client does not retry', async (context) => {
  const { model, engine } = await setUp(context);
  const providerOptions = { thinkgate: { reasoningEffort: 'none', thinking_mode: 'think' } };
  await assert.rejects(generateText({ model, prompt: 'Hello', providerOptions }), (error) => {
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.statusCode, 400);
    assert.equal(error.isRetryable, false);
    assert.match(error.message, /`thinking_mode`.*`reasoning_effort`/);
    return true;
  });
  assert.equal(engine.requests.length, 0);
});

test('a failure in the middle of a stream becomes an error part', async (context) => {
  const engine = failingAtLast();
  const { model } = await setUp(context, { engine });
  const { fullStream } = streamText({ model, prompt: 'Hello', onError: () => undefined });
  const types: string[] = [];
  for await (const { type } of fullStream) types.push(type);
  assert.ok(types.includes('error'));
});
