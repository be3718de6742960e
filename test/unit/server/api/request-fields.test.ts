import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatCompletionRequestSchema } from '../../../../src/server/api/openai-chat/request-schema.ts';
import { DEFAULT_HTTP_SETTINGS } from '../../../../src/server/settings/http-settings.ts';
import { buildTestApp, chatBody, postChat, type TestApp } from '../../../helpers/test-app.ts';

type Body = Record<string, unknown>;

interface Honoured {
  readonly fields: Body;
  /** Reads what must have changed out of what the engine or the chat room got. */
  readonly read: (app: TestApp) => unknown;
  readonly expected: unknown;
}

const sampling =
  (name: keyof TestApp['engine']['lastRequest']['sampling']) =>
  ({ engine }: TestApp): unknown =>
    engine.lastRequest.sampling[name];
const request =
  (name: keyof TestApp['engine']['lastRequest']) =>
  ({ engine }: TestApp): unknown =>
    engine.lastRequest[name];
const thinking =
  (name: keyof TestApp['engine']['lastRequest']['thinking']) =>
  ({ engine }: TestApp): unknown =>
    engine.lastRequest.thinking[name];

const TOOL = { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } };

const grammarOf = ({ lastRequest }: TestApp['engine']) =>
  lastRequest.grammar === null ? undefined : JSON.parse(lastRequest.grammar);

/** One row or more per field of the schema that is honoured. */
const HONOURED: Record<string, Honoured> = {
  'messages as text': {
    fields: { messages: [{ role: 'user', content: 'abc' }] },
    read: request('promptTokenIds'),
    expected: Int32Array.of(97, 98, 99),
  },
  'messages from a developer': {
    fields: { messages: [{ role: 'developer', content: [{ type: 'text', text: 'a' }] }] },
    read: ({ formatter }) => formatter.calls[0]?.messages,
    expected: [{ role: 'system', content: [{ type: 'text', text: 'a' }] }],
  },
  'messages with reasoning of earlier turns': {
    fields: { messages: [{ role: 'assistant', content: null, reasoning: 'because' }] },
    read: ({ formatter }) => formatter.calls[0]?.messages,
    expected: [{ role: 'assistant', content: '', reasoning: 'because' }],
  },
  'messages with the name of the speaker': {
    fields: { messages: [{ role: 'user', content: 'a', name: 'Ann' }] },
    read: ({ formatter }) => formatter.calls[0]?.messages,
    expected: [{ role: 'user', content: 'a', name: 'Ann' }],
  },
  tools: {
    fields: { tools: [TOOL] },
    read: ({ formatter }) => formatter.calls[0]?.tools?.map(({ name }) => name),
    expected: ['weather'],
  },
  tool_choice: {
    fields: { tools: [TOOL], tool_choice: 'auto' },
    read: ({ formatter }) => formatter.calls[0]?.tools?.length,
    expected: 1,
  },
  'tool_choice required': {
    fields: { tools: [TOOL], tool_choice: 'required' },
    read: ({ engine }) => grammarOf(engine)?.otherwise,
    expected: 'nothing',
  },
  parallel_tool_calls: {
    fields: { tools: [TOOL], parallel_tool_calls: false },
    read: ({ engine }) => grammarOf(engine)?.single,
    expected: true,
  },
  'response_format json_object': {
    fields: { response_format: { type: 'json_object' } },
    read: ({ engine }) => grammarOf(engine),
    expected: { kind: 'json', schema: { type: 'object' } },
  },
  'response_format json_schema': {
    fields: {
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'n', schema: { type: 'integer', title: 'T' }, strict: true },
      },
    },
    read: ({ engine }) => grammarOf(engine),
    expected: { kind: 'json', schema: { type: 'integer' } },
  },
  temperature: { fields: { temperature: 0 }, read: sampling('temperature'), expected: 0 },
  top_p: { fields: { top_p: 0.5 }, read: sampling('topP'), expected: 0.5 },
  top_k: { fields: { top_k: 7 }, read: sampling('topK'), expected: 7 },
  'top_k -1': { fields: { top_k: -1 }, read: sampling('topK'), expected: 0 },
  min_p: { fields: { min_p: 0.1 }, read: sampling('minP'), expected: 0.1 },
  repetition_penalty: {
    fields: { repetition_penalty: 1.5 },
    read: sampling('repetitionPenalty'),
    expected: 1.5,
  },
  presence_penalty: {
    fields: { presence_penalty: -1 },
    read: sampling('presencePenalty'),
    expected: -1,
  },
  frequency_penalty: {
    fields: { frequency_penalty: 2 },
    read: sampling('frequencyPenalty'),
    expected: 2,
  },
  logit_bias: {
    fields: { logit_bias: { 42: -100, 299: 5 } },
    read: sampling('logitBias'),
    expected: new Map([
      [42, -100],
      [299, 5],
    ]),
  },
  seed: { fields: { seed: 1234 }, read: sampling('seed'), expected: 1234 },
  max_tokens: { fields: { max_tokens: 9 }, read: request('maxTokens'), expected: 9 },
  max_completion_tokens: {
    fields: { max_completion_tokens: 9, max_tokens: 9 },
    read: request('maxTokens'),
    expected: 9,
  },
  'stop as a string': { fields: { stop: 'END' }, read: request('stop'), expected: ['END'] },
  'stop as a list': { fields: { stop: ['a', 'b'] }, read: request('stop'), expected: ['a', 'b'] },
  stop_token_ids: {
    fields: { stop_token_ids: [0, 299] },
    read: request('stopTokenIds'),
    expected: [0, 299],
  },
  min_tokens: { fields: { min_tokens: 12 }, read: request('minTokens'), expected: 12 },
  'min_tokens, which the thinking leaves room for': {
    fields: { min_tokens: 30, max_tokens: 40 },
    read: thinking('answerFloor'),
    expected: 30,
  },
  priority: { fields: { priority: -7 }, read: request('priority'), expected: -7 },
  timeout: { fields: { timeout: 2.5 }, read: request('timeoutMs'), expected: 2_500 },
  logprobs: { fields: { logprobs: true }, read: request('topLogprobs'), expected: 0 },
  top_logprobs: {
    fields: { logprobs: true, top_logprobs: 20 },
    read: request('topLogprobs'),
    expected: 20,
  },
  'thinking_mode short': {
    fields: { thinking_mode: 'short' },
    read: ({ formatter }) => formatter.calls[0]?.mode,
    expected: 'fast',
  },
  thinking_mode: {
    fields: { thinking_mode: 'think' },
    read: thinking('requested'),
    expected: 'think',
  },
  'chat_template_kwargs.thinking_mode': {
    fields: { chat_template_kwargs: { thinking_mode: 'short' } },
    read: thinking('requested'),
    expected: 'fast',
  },
  'chat_template_kwargs.enable_thinking': {
    fields: { chat_template_kwargs: { enable_thinking: true } },
    read: thinking('requested'),
    expected: 'think',
  },
  'chat_template_kwargs.thinking': {
    fields: { chat_template_kwargs: { thinking: false } },
    read: ({ formatter }) => formatter.calls[0]?.mode,
    expected: 'fast',
  },
  enable_thinking: {
    fields: { enable_thinking: true },
    read: ({ formatter }) => formatter.calls[0]?.mode,
    expected: 'think',
  },
  'reasoning_effort none': {
    fields: { reasoning_effort: 'none' },
    read: ({ formatter }) => formatter.calls[0]?.mode,
    expected: 'fast',
  },
  'reasoning_effort low': {
    fields: { reasoning_effort: 'low' },
    read: thinking('budget'),
    expected: 512,
  },
  'reasoning.effort': {
    fields: { reasoning: { effort: 'minimal' } },
    read: thinking('budget'),
    expected: 128,
  },
  'reasoning.enabled': {
    fields: { reasoning: { enabled: false } },
    read: thinking('requested'),
    expected: 'fast',
  },
  'reasoning.max_tokens': {
    fields: { reasoning: { max_tokens: 21 } },
    read: thinking('budget'),
    expected: 21,
  },
  'thinking.type': {
    fields: { thinking: { type: 'enabled' } },
    read: thinking('requested'),
    expected: 'think',
  },
  'thinking.budget_tokens': {
    fields: { thinking: { type: 'adaptive', budget_tokens: 22 } },
    read: thinking('budget'),
    expected: 22,
  },
  thinking_budget: { fields: { thinking_budget: 40 }, read: thinking('budget'), expected: 40 },
  'thinking_budget 0': {
    fields: { thinking_budget: 0 },
    read: thinking('requested'),
    expected: 'fast',
  },
  thinking_token_budget: {
    fields: { thinking_token_budget: 41 },
    read: thinking('budget'),
    expected: 41,
  },
  reasoning_budget_tokens: {
    fields: { reasoning_budget_tokens: 42 },
    read: thinking('budget'),
    expected: 42,
  },
  'a model alias': {
    fields: { model: 'test-model:think' },
    read: ({ formatter }) => formatter.calls[0]?.mode,
    expected: 'think',
  },
  thinking_bias: {
    fields: { thinking_bias: -3.5 },
    read: ({ engine }) => engine.lastRequest.thinking.decisionBias?.requestBias,
    expected: -3.5,
  },
  thinking_threshold: {
    fields: { thinking_threshold: 0.9 },
    read: ({ engine }) => engine.lastRequest.thinking.decisionBias?.threshold,
    expected: 0.9,
  },
  thinking_profile: {
    fields: { thinking_profile: 'economy' },
    read: ({ engine }) => engine.lastRequest.thinking.decisionBias?.threshold,
    expected: 0.8,
  },
  thinking_extensions: {
    fields: { thinking_extensions: 2 },
    read: thinking('extensions'),
    expected: 2,
  },
  break_thinking_loops: {
    fields: { break_thinking_loops: false },
    read: thinking('breakLoops'),
    expected: false,
  },
  stop_in_thinking: {
    fields: { stop_in_thinking: true },
    read: thinking('stopInThinking'),
    expected: true,
  },
  continue_final_message: {
    fields: {
      messages: [
        { role: 'user', content: 'abc' },
        { role: 'assistant', content: 'De' },
      ],
      continue_final_message: true,
      add_generation_prompt: false,
    },
    read: ({ formatter }) => formatter.calls[0]?.continueFinal,
    expected: true,
  },
};

for (const [name, { fields, read, expected }] of Object.entries(HONOURED)) {
  test(`${name} is honoured`, async () => {
    const app = await buildTestApp();
    const before = await postChat(app.app);
    assert.equal(before.statusCode, 200);
    const untouched = read(app);
    app.formatter.calls.length = 0;
    const reply = await postChat(app.app, fields);
    assert.equal(reply.statusCode, 200, reply.body);
    assert.deepEqual(read(app), expected);
    assert.notDeepEqual(read(app), untouched);
  });
}

test('stream and stream_options.include_usage change the reply', async () => {
  const { app } = await buildTestApp();
  const plain = await postChat(app, { stream: true });
  const usage = await postChat(app, { stream: true, stream_options: { include_usage: true } });
  assert.match(String(plain.headers['content-type']), /event-stream/);
  assert.doesNotMatch(plain.body, /"usage"/);
  assert.match(usage.body, /"total_tokens":12/);
});

const INERT: Body = {
  n: 1,
  modalities: ['text'],
  user: 'someone',
  safety_identifier: 'hash',
  prompt_cache_key: 'key',
  metadata: { team: 'a' },
  store: true,
  service_tier: 'auto',
};

test('the fields without effect are accepted and reach nothing', async () => {
  const { app, engine } = await buildTestApp();
  await postChat(app, { seed: 1 });
  const { id: _first, group: _one, ...without } = engine.lastRequest;
  const reply = await postChat(app, { seed: 1, ...INERT });
  assert.equal(reply.statusCode, 200, reply.body);
  const { id: _second, group: _two, ...withInert } = engine.lastRequest;
  assert.deepEqual(withInert, without);
});

test('null is the same as leaving a field out', async () => {
  const { app, engine } = await buildTestApp();
  const optional = Object.keys(chatCompletionRequestSchema.shape).filter(
    (field) => field !== 'model' && field !== 'messages',
  );
  const reply = await postChat(app, {
    ...Object.fromEntries(optional.map((field) => [field, null])),
    seed: 1,
  });
  assert.equal(reply.statusCode, 200, reply.body);
  const { id: _first, group: _one, ...nulls } = engine.lastRequest;
  await postChat(app, { seed: 1 });
  const { id: _second, group: _two, ...absent } = engine.lastRequest;
  assert.deepEqual(nulls, absent);
});

test('every field of the schema has a row in this table', () => {
  const covered = new Set([
    'model',
    'stream',
    'stream_options',
    // What becomes of the thinking in the reply: text-display.test.ts.
    'include_reasoning',
    'separate_reasoning',
    // Several calls for one answer: strategies.test.ts.
    'strategy',
    ...Object.values(HONOURED).flatMap(({ fields }) => Object.keys(fields)),
    ...Object.keys(INERT),
  ]);
  assert.deepEqual(
    Object.keys(chatCompletionRequestSchema.shape).filter((field) => !covered.has(field)),
    [],
  );
});

/** Field values that are refused: the field the error names, and words its message must hold. */
const REFUSED: readonly (readonly [Body, string, RegExp])[] = [
  [{ temperature: 2.5 }, 'temperature', /at most 2; got 2\.5/],
  [{ temperature: -1 }, 'temperature', /at least 0; got -1/],
  [{ temperature: 'hot' }, 'temperature', /a number; got "hot"/],
  [{ top_p: 0 }, 'top_p', /greater than 0; got 0/],
  [{ top_p: 1.1 }, 'top_p', /at most 1; got 1\.1/],
  [{ top_k: -2 }, 'top_k', /at least -1; got -2/],
  [{ top_k: 1.5 }, 'top_k', /an integer; got 1\.5/],
  [{ min_p: 2 }, 'min_p', /at most 1; got 2/],
  [{ repetition_penalty: 0 }, 'repetition_penalty', /greater than 0; got 0/],
  [{ presence_penalty: 3 }, 'presence_penalty', /at most 2; got 3/],
  [{ frequency_penalty: -3 }, 'frequency_penalty', /at least -2; got -3/],
  [{ logit_bias: { 5: 101 } }, 'logit_bias.5', /at most 100; got 101/],
  [{ logit_bias: { 300: 1 } }, 'logit_bias', /"300".*0 to 299/],
  [{ logit_bias: { cat: 1 } }, 'logit_bias', /"cat".*0 to 299/],
  [{ seed: 0.5 }, 'seed', /an integer; got 0\.5/],
  [{ max_tokens: 0 }, 'max_tokens', /at least 1; got 0/],
  [{ max_completion_tokens: -4 }, 'max_completion_tokens', /at least 1; got -4/],
  [{ max_tokens: 5, max_completion_tokens: 6 }, 'max_tokens', /max_completion_tokens.*5 and 6/],
  [{ n: 9 }, 'n', /must be at most 8 on this server; got 9/],
  [{ stop: [] }, 'stop', /at least 1 item; got 0/],
  [{ stop: '' }, 'stop', /at least 1 character; got 0/],
  [{ stop: Array(17).fill('x') }, 'stop', /at most 16 items; got 17/],
  [{ stop: 3 }, 'stop', /a string or an array; got 3/],
  [{ stop: ['a', 3] }, 'stop[1]', /a string; got 3/],
  [{ stop_token_ids: [1, 300] }, 'stop_token_ids[1]', /0 to 299; got 300/],
  [{ stop_token_ids: [-1] }, 'stop_token_ids[0]', /at least 0; got -1/],
  [{ stop_token_ids: Array(65).fill(1) }, 'stop_token_ids', /at most 64 items; got 65/],
  [{ min_tokens: -1 }, 'min_tokens', /at least 0; got -1/],
  [{ min_tokens: 6, max_tokens: 5 }, 'min_tokens', /at most the 5 tokens.*got 6/],
  [{ priority: 101 }, 'priority', /at most 100; got 101/],
  [{ priority: 0.5 }, 'priority', /an integer; got 0\.5/],
  [{ timeout: 0 }, 'timeout', /greater than 0; got 0/],
  [{ timeout: 86_401 }, 'timeout', /at most 86400; got 86401/],
  [{ logprobs: 5 }, 'logprobs', /a boolean; got 5/],
  [{ top_logprobs: 3 }, 'top_logprobs', /`logprobs`/],
  [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs', /at most 20; got 21/],
  [{ stream_options: { include_usage: true } }, 'stream_options', /`stream`/],
  [
    { stream: true, stream_options: { include_obfuscation: true } },
    'stream_options.include_obfuscation',
    /not supported by this server/,
  ],
  [{ thinking_mode: 'deep' }, 'thinking_mode', /one of "auto", "think".*got "deep"/],
  [{ thinking_budget: -2 }, 'thinking_budget', /at least -1; got -2/],
  [{ thinking_budget: '512' }, 'thinking_budget', /a number; got "512"/],
  [{ thinking_token_budget: 0.5 }, 'thinking_token_budget', /an integer; got 0\.5/],
  [{ reasoning_effort: 'extreme' }, 'reasoning_effort', /one of "none".*got "extreme"/],
  [{ reasoning: { depth: 3 } }, 'reasoning.depth', /not supported by this server/],
  [{ thinking: { budget_tokens: 3 } }, 'thinking.type', /required/],
  [{ thinking: { type: 'on' } }, 'thinking.type', /"adaptive".*got "on"/],
  [{ enable_thinking: 'yes' }, 'enable_thinking', /a boolean; got "yes"/],
  [{ thinking_bias: 21 }, 'thinking_bias', /at most 20; got 21/],
  [{ thinking_bias: -20.5 }, 'thinking_bias', /at least -20; got -20\.5/],
  [{ thinking_threshold: 1.01 }, 'thinking_threshold', /at most 1; got 1\.01/],
  [{ thinking_extensions: 9 }, 'thinking_extensions', /at most 8; got 9/],
  [{ break_thinking_loops: 1 }, 'break_thinking_loops', /a boolean; got 1/],
  [{ stop_in_thinking: 'x' }, 'stop_in_thinking', /a boolean; got "x"/],
  [
    { add_generation_prompt: false },
    'add_generation_prompt',
    /`continue_final_message` contradict.*got false for both/,
  ],
  [
    { add_generation_prompt: true, continue_final_message: true },
    'add_generation_prompt',
    /got true for both/,
  ],
  [
    { continue_final_message: true },
    'continue_final_message',
    /needs an assistant message at the end; the last one is user/,
  ],
  [
    { continue_final_message: true, messages: [{ role: 'assistant', content: '' }] },
    'continue_final_message',
    /the last message is empty/,
  ],
  [
    {
      messages: [
        { role: 'assistant', content: 'a' },
        { role: 'assistant', content: 'b' },
      ],
    },
    'messages',
    /two assistant messages in a row/,
  ],
  [
    { chat_template_kwargs: { tools: true } },
    'chat_template_kwargs.tools',
    /not supported by this server/,
  ],
  [
    {
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'n',
          schema: { properties: { a: { type: 'number', multipleOf: 1 } } },
        },
      },
    },
    'response_format.json_schema.schema.properties.a.multipleOf',
    /cannot be enforced/,
  ],
  [
    { response_format: { type: 'json_schema', json_schema: {} } },
    'response_format.json_schema.name',
    /required/,
  ],
  [
    {
      response_format: { type: 'json_object' },
      continue_final_message: true,
      messages: [{ role: 'assistant', content: 'x' }],
    },
    'response_format',
    /`continue_final_message`/,
  ],
  [
    { response_format: { type: 'xml' } },
    'response_format.type',
    /one of .*"json_schema"; got "xml"/,
  ],
  [{ modalities: ['audio'] }, 'modalities[0]', /"text"; got "audio"/],
  [{ service_tier: 'flex' }, 'service_tier', /one of "auto", "default"; got "flex"/],
  [{ model: 5 }, 'model', /a string; got 5/],
  [{ model: undefined }, 'model', /required/],
  [{ messages: [] }, 'messages', /at least 1 item; got 0/],
  [{ messages: 'hi' }, 'messages', /an array; got "hi"/],
  [{ messages: [{ role: 'function' }] }, 'messages[0].role', /one of .*; got "function"/],
  [{ messages: [{ content: 'x' }] }, 'messages[0].role', /required/],
  [{ messages: [{ role: 'user' }] }, 'messages[0].content', /required/],
  [
    { messages: [{ role: 'user', content: 7 }] },
    'messages[0].content',
    /a string or an array; got 7/,
  ],
  [
    { messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] },
    'messages[0].content[0].type',
    /got "input_audio"/,
  ],
  [
    { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
    'messages[0].content[0].text',
    /required/,
  ],
  [
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'image_url', image_url: { url: 'data:', detail: 'max' } }],
        },
      ],
    },
    'messages[0].content[0].image_url.detail',
    /"auto", "low", "high"; got "max"/,
  ],
  [
    { messages: [{ role: 'assistant', content: 'x', reasoning: 'a', reasoning_content: 'b' }] },
    'messages[0].reasoning_content',
    /`reasoning_content` and `reasoning`/,
  ],
];

for (const [fields, param, message] of REFUSED) {
  test(`${JSON.stringify(fields).slice(0, 90)} is rejected naming ${param}`, async () => {
    const { app, engine, log } = await buildTestApp();
    const reply = await postChat(app, fields);
    assert.equal(reply.statusCode, 400);
    const { error } = reply.json();
    assert.equal(error.param, param);
    assert.match(error.message, message);
    assert.equal(error.type, 'invalid_request_error');
    assert.equal(engine.requests.length, 0);
    assert.equal(log[0]?.status, 400);
    assert.equal(log[0]?.error, error.code);
  });
}

/** OpenAI's other fields, and what other servers take: none is accepted in silence. */
const UNSUPPORTED = [
  'thinking_budget_tokens',
  'reasoning_format',
  'functions',
  'function_call',
  'audio',
  'prediction',
  'verbosity',
  'web_search_options',
  'moderation',
  'prompt_cache_retention',
  'prompt_cache_options',
  'ignore_eos',
  'typical_p',
  'topp',
];

for (const field of UNSUPPORTED) {
  test(`${field} is rejected by name`, async () => {
    const { app } = await buildTestApp();
    const reply = await postChat(app, { [field]: 'x' });
    assert.equal(reply.statusCode, 400);
    assert.deepEqual(reply.json().error, {
      message: `\`${field}\` is not supported by this server.`,
      type: 'invalid_request_error',
      param: field,
      code: 'unsupported_parameter',
    });
  });
}

test("defaults come from the package, and a mode's own come before them", async () => {
  const { app, engine } = await buildTestApp();
  await postChat(app);
  const { seed: _seed, ...sampled } = engine.lastRequest.sampling;
  assert.deepEqual(sampled, {
    temperature: 0.2,
    topP: 0.9,
    topK: 20,
    minP: 0,
    repetitionPenalty: 1.1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: new Map(),
  });
  await postChat(app, { thinking_mode: 'think' });
  assert.equal(engine.lastRequest.sampling.temperature, 0.6);
  await postChat(app, { thinking_mode: 'think', temperature: 0.3 });
  assert.equal(engine.lastRequest.sampling.temperature, 0.3);
});

test('requests without a seed get different ones', async () => {
  const { app, engine } = await buildTestApp();
  for (let index = 0; index < 4; index += 1) await postChat(app);
  const seeds = engine.requests.map(({ sampling: { seed } }) => seed);
  assert.ok(new Set(seeds).size > 1);
  assert.ok(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0));
});

test("max_tokens defaults to what the slot has left, or to the server's setting where that is less", async () => {
  const { app, engine } = await buildTestApp();
  await postChat(app);
  assert.equal(engine.lastRequest.maxTokens, 256 - 5);
  const limited = await buildTestApp({ settings: { defaultMaxTokens: 100 } });
  await postChat(limited.app);
  assert.equal(limited.engine.lastRequest.maxTokens, 100);
});

test('prompt and max_tokens beyond the slot are rejected with all numbers', async () => {
  const { app, engine } = await buildTestApp();
  const fits = await postChat(app, { max_tokens: 251 });
  assert.equal(fits.statusCode, 200);
  const reply = await postChat(app, { max_tokens: 252 });
  assert.equal(reply.statusCode, 400);
  const { error } = reply.json();
  assert.equal(error.code, 'context_length_exceeded');
  assert.match(error.message, /5 tokens of prompt and 252 of output are 257.*256 tokens/);
  assert.equal(engine.requests.length, 1);
});

test('a prompt that fills the slot is rejected even without max_tokens', async () => {
  const { app } = await buildTestApp();
  const messages = [{ role: 'user', content: 'x'.repeat(256) }];
  const { error } = (await postChat(app, { messages })).json();
  assert.equal(error.code, 'context_length_exceeded');
  assert.match(error.message, /256 tokens/);
});

test('the answer floor is a share of max_tokens, up to a count', async () => {
  const { app, engine } = await buildTestApp();
  await postChat(app, { max_tokens: 40 });
  assert.equal(engine.lastRequest.thinking.answerFloor, 10);
  await postChat(app, {});
  assert.equal(engine.lastRequest.thinking.answerFloor, 62);
  const { answerFloor } = DEFAULT_HTTP_SETTINGS;
  assert.deepEqual(answerFloor, { tokens: 64, share: 0.25 });
  const own = await buildTestApp({ settings: { answerFloor: { tokens: 3, share: 0.5 } } });
  await postChat(own.app, {});
  assert.equal(own.engine.lastRequest.thinking.answerFloor, 3);
});

test('a model that is not served is a 404 that names what is', async () => {
  const { app } = await buildTestApp();
  const reply = await postChat(app, { model: 'gpt-9' });
  assert.equal(reply.statusCode, 404);
  assert.deepEqual(reply.json().error, {
    message: 'The model "gpt-9" is not served here; this server has: test-model.',
    type: 'invalid_request_error',
    param: 'model',
    code: 'model_not_found',
  });
});

test('what the chat layer rejects is a 400 with its own code and field', async () => {
  const { app } = await buildTestApp();
  const part = { type: 'image_url', image_url: { url: 'nonsense' } };
  const reply = await postChat(app, { messages: [{ role: 'user', content: [part] }] });
  assert.equal(reply.statusCode, 400);
  assert.deepEqual(reply.json().error, {
    message: 'The URL is not valid.',
    type: 'invalid_request_error',
    param: 'messages[0].content[0]',
    code: 'invalid_image_url',
  });
});

test('the body of the table is answered as it stands', async () => {
  const { app } = await buildTestApp();
  const reply = await app.inject({
    method: 'POST',
    url: '/v1/chat/completions',
    payload: chatBody(),
  });
  assert.equal(reply.statusCode, 200);
});
