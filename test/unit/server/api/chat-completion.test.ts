import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatCompletionSchema } from '../../../../src/server/api/openai-chat/response-schema.ts';
import {
  FakeEngineClient,
  finishEvent,
  scriptedEvents,
} from '../../../helpers/fake-engine-client.ts';
import { buildTestApp, postChat } from '../../../helpers/test-app.ts';

test('a plain completion has every field that OpenAI requires, and our own', async () => {
  const { app } = await buildTestApp();
  const reply = await postChat(app);
  assert.equal(reply.statusCode, 200);
  const body = reply.json();
  assert.match(body.id, /^chatcmpl-[0-9a-f]{32}$/);
  assert.ok(Math.abs(body.created - Date.now() / 1000) < 60);
  delete body.id;
  delete body.created;
  assert.deepEqual(body, {
    object: 'chat.completion',
    model: 'test-model',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'Forty-two',
          refusal: null,
          reasoning_content: 'Let me see.',
          reasoning: 'Let me see.',
        },
        logprobs: null,
        finish_reason: 'stop',
        stop_reason: null,
        thinking: {
          requested: 'auto',
          mode: 'think',
          source: 'model',
          p_think: 0.75,
          p_think_steered: 0.75,
          residual: 0.01,
          holdout: false,
          ended_by: 'natural',
          budget: { asked: null, effective: null },
          reasoning_tokens: 4,
          preamble_tokens: 0,
          answer_tokens: 3,
        },
      },
    ],
    usage: {
      prompt_tokens: 5,
      completion_tokens: 7,
      total_tokens: 12,
      prompt_tokens_details: { cached_tokens: 2, image_tokens: 0, text_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 4 },
    },
  });
});

test('the headers name the decision', async () => {
  const { app } = await buildTestApp();
  const { headers } = await postChat(app);
  assert.equal(headers['x-thinking-requested'], 'auto');
  assert.equal(headers['x-thinking-decision'], 'think');
  assert.equal(headers['x-thinking-source'], 'model');
  assert.equal(headers['x-thinking-probability'], '0.750000');
});

test('a direct answer has null in both reasoning fields, and no probability when the mode was forced', async () => {
  const { app } = await buildTestApp();
  const reply = await postChat(app, { thinking_mode: 'fast' });
  const [choice] = reply.json().choices;
  assert.equal(choice.message.reasoning_content, null);
  assert.equal(choice.message.reasoning, null);
  assert.equal(choice.thinking.mode, 'fast');
  assert.equal(choice.thinking.ended_by, null);
  assert.equal(reply.headers['x-thinking-decision'], 'fast');
  assert.equal(reply.headers['x-thinking-probability'], undefined);
});

test('text held back until the end belongs to the answer', async () => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, { finish: { pieces: [{ section: 'answer', text: '!' }] } }),
  );
  const { app } = await buildTestApp({ engine });
  const [choice] = (await postChat(app)).json().choices;
  assert.equal(choice.message.content, 'Forty-two!');
});

test('log-probabilities are split into content and reasoning and have bytes, null for control tokens', async () => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, { reasoning: ['So'], answer: ['é', '!'] }),
  );
  const { app } = await buildTestApp({ engine });
  const reply = await postChat(app, { logprobs: true, top_logprobs: 1 });
  const { logprobs } = reply.json().choices[0];
  assert.equal(logprobs.refusal, null);
  assert.deepEqual(logprobs.reasoning_content[0], {
    token: 'S',
    logprob: -0.5,
    bytes: [83],
    top_logprobs: [{ token: 'S', logprob: -0.5, bytes: [83] }],
  });
  assert.equal(logprobs.reasoning_content[1].token, '</think>');
  assert.equal(logprobs.reasoning_content[1].bytes, null);
  // Byte 0xE9 alone is half a character.
  assert.deepEqual(logprobs.content[0].bytes, [0xe9]);
  assert.equal(logprobs.content[0].token, '\uFFFD');
  assert.deepEqual(
    logprobs.content.map((entry: { token: string }) => entry.token),
    ['\uFFFD', '!'],
  );
});

test('log-probabilities without alternatives have empty top_logprobs', async () => {
  const { app, engine } = await buildTestApp();
  const { logprobs } = (await postChat(app, { logprobs: true })).json().choices[0];
  assert.equal(engine.lastRequest.topLogprobs, 0);
  assert.deepEqual(logprobs.content[0].top_logprobs, []);
});

test('a generation that reaches its limit has the finish reason length', async () => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, { finish: { reason: 'length', thinkingEnd: 'budget' } }),
  );
  const { app } = await buildTestApp({ engine });
  const [choice] = (await postChat(app)).json().choices;
  assert.equal(choice.finish_reason, 'length');
  assert.equal(choice.thinking.ended_by, 'budget');
});

test("an engine error is a 500 with the engine's message", async () => {
  const engine = new FakeEngineClient(async function* (request) {
    yield finishEvent(request, { reason: 'error', message: 'The step failed.' });
  });
  const { app } = await buildTestApp({ engine });
  const reply = await postChat(app);
  assert.equal(reply.statusCode, 500);
  assert.deepEqual(reply.json(), {
    error: { message: 'The step failed.', type: 'server_error', param: null, code: 'engine_error' },
  });
});

test('an abort that no client asked for is a 503 and never a finish reason', async () => {
  const engine = new FakeEngineClient(async function* (request) {
    yield finishEvent(request, { reason: 'abort' });
  });
  const { app } = await buildTestApp({ engine });
  const reply = await postChat(app);
  assert.equal(reply.statusCode, 503);
  assert.equal(reply.json().error.code, 'generation_aborted');
});

test('an image reaches the engine as tiles and counts in the usage', async () => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, {
      finish: {
        usage: {
          promptTokens: 9,
          cachedTokens: 0,
          imageTokens: 4,
          preambleTokens: 0,
          completionTokens: 3,
          reasoningTokens: 0,
        },
      },
    }),
  );
  const { app, formatter } = await buildTestApp({ engine });
  const url = 'data:image/png;base64,AAAA';
  const reply = await postChat(app, {
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url, detail: 'low' } },
          { type: 'text', text: 'What?' },
        ],
      },
    ],
  });
  assert.equal(reply.statusCode, 200);
  assert.deepEqual(formatter.calls[0]?.messages[0]?.content, [
    { type: 'image', source: url, detail: 'low' },
    { type: 'text', text: 'What?' },
  ]);
  assert.equal(engine.lastRequest.images[0]?.hash, url);
  assert.deepEqual(reply.json().usage.prompt_tokens_details, {
    cached_tokens: 0,
    image_tokens: 4,
    text_tokens: 5,
  });
});

test('a completion matches its published schema exactly', async () => {
  const { app } = await buildTestApp();
  const body = (await postChat(app, { logprobs: true, top_logprobs: 1 })).json();
  assert.deepEqual(chatCompletionSchema.parse(body), body);
});

test('the message of a reply can be sent back unchanged', async () => {
  const { app, formatter } = await buildTestApp();
  const first = (await postChat(app)).json();
  const reply = await postChat(app, {
    messages: [
      { role: 'user', content: 'Hello' },
      first.choices[0].message,
      { role: 'user', content: 'And?' },
    ],
  });
  assert.equal(reply.statusCode, 200);
  assert.deepEqual(formatter.calls[1]?.messages[1], {
    role: 'assistant',
    content: 'Forty-two',
    reasoning: 'Let me see.',
  });
});
