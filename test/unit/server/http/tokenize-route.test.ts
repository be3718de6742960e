import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { buildTestApp, postChat } from '../../../helpers/test-app.ts';

const MESSAGES = [{ role: 'user', content: 'Hello' }];

function post(app: FastifyInstance, url: string, payload: Record<string, unknown>) {
  return app.inject({ method: 'POST', url, payload });
}

test('a text is tokenized, control tokens included, and detokenized', async () => {
  const { app } = await buildTestApp();
  const { tokens, ...rest } = (await post(app, '/tokenize', { prompt: 'Hi</think>' })).json();
  assert.deepEqual(tokens, [72, 105, 299]);
  assert.deepEqual(rest, { count: 3, max_model_len: 256, token_strs: null });
  const back = await post(app, '/detokenize', { model: 'test-model', tokens });
  assert.deepEqual(back.json(), { prompt: 'Hi</think>' });
});

test('the spellings of the tokens are returned on request', async () => {
  const { app } = await buildTestApp();
  const asked = { prompt: 'Hi', return_token_strs: true, add_special_tokens: true };
  assert.deepEqual((await post(app, '/tokenize', asked)).json().token_strs, ['H', 'i']);
});

test('a conversation has the tokens of its prompt, images included', async () => {
  const { app, engine, formatter } = await buildTestApp();
  const url = 'data:image/png;base64,AAAA';
  const messages = [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url } },
        { type: 'text', text: 'Hi' },
      ],
    },
  ];
  const reply = (await post(app, '/tokenize', { messages, thinking_mode: 'think' })).json();
  assert.equal(formatter.calls[0]?.mode, 'think');
  assert.equal(engine.requests.length, 0);
  await postChat(app, { messages, thinking_mode: 'think' });
  assert.deepEqual(reply.tokens, [...engine.lastRequest.promptTokenIds]);
  assert.equal(reply.count, 6);
});

test('the mode of a model name counts, and the name of another model is rejected', async () => {
  const { app, formatter } = await buildTestApp();
  await post(app, '/tokenize', { model: 'test-model:fast', messages: MESSAGES });
  assert.equal(formatter.calls[0]?.mode, 'fast');
  for (const [url, rest] of [
    ['/tokenize', { prompt: 'Hi' }],
    ['/detokenize', { tokens: [1] }],
  ] as const) {
    const reply = await post(app, url, { model: 'other', ...rest });
    assert.equal(reply.statusCode, 404);
    assert.equal(reply.json().error.code, 'model_not_found');
  }
});

const REFUSED: readonly [string, Record<string, unknown>, string][] = [
  ['/tokenize', {}, 'prompt'],
  ['/tokenize', { prompt: 5 }, 'prompt'],
  ['/tokenize', { prompt: 'Hi', messages: MESSAGES }, 'prompt'],
  ['/tokenize', { prompt: 'Hi', thinking_mode: 'fast' }, 'thinking_mode'],
  ['/tokenize', { messages: MESSAGES, add_generation_prompt: false }, 'add_generation_prompt'],
  ['/tokenize', { messages: MESSAGES, chat_template: '' }, 'chat_template'],
  ['/tokenize', { messages: [{ role: 'robot' }] }, 'messages[0].role'],
  ['/detokenize', {}, 'tokens'],
  ['/detokenize', { tokens: [1, -1] }, 'tokens[1]'],
  ['/detokenize', { tokens: [1, 300] }, 'tokens[1]'],
];

for (const [url, body, param] of REFUSED) {
  test(`${url} rejects ${JSON.stringify(body)} and names ${param}`, async () => {
    const { app } = await buildTestApp();
    const reply = await post(app, url, body);
    assert.equal(reply.statusCode, 400);
    assert.equal(reply.json().error.param, param);
    assert.match(reply.json().error.message, new RegExp(`\`${param.replaceAll(/[[\]]/g, '\\$&')}`));
  });
}
