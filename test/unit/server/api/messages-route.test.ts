import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildTestApp, type TestAppOptions } from '../../../helpers/test-app.ts';

const HELLO = {
  model: 'test-model',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'Hello' }],
};

async function post(payload: Record<string, unknown>, options: TestAppOptions = {}) {
  const built = await buildTestApp(options);
  const reply = await built.app.inject({ method: 'POST', url: '/v1/messages', payload });
  return { ...built, reply };
}

const png = { type: 'image', source: { type: 'url', url: 'ftp://x' } };
const result = { type: 'tool_result', tool_use_id: 'nobody', content: 'x' };

const REFUSED: readonly [Record<string, unknown>, string][] = [
  [{ max_tokens: undefined }, 'max_tokens'],
  [{ max_tokens: 0 }, 'max_tokens'],
  [{ messages: [] }, 'messages'],
  [{ temperature: 1.5 }, 'temperature'],
  [{ top_k: -1 }, 'top_k'],
  [{ n: 2 }, 'n'],
  [{ container: 'x' }, 'container'],
  [{ mcp_servers: [] }, 'mcp_servers'],
  [{ stop_sequences: [''] }, 'stop_sequences[0]'],
  [{ thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
  [{ tools: [{ type: 'bash_20250124', name: 'bash' }] }, 'tools[0].type'],
  [{ tool_choice: { type: 'tool', name: 'f' } }, 'tool_choice'],
  [
    { output_config: { format: { type: 'json_schema', schema: { type: 'nothing' } } } },
    'output_config.format.schema.type',
  ],
  [{ max_tokens: 1000 }, 'messages'],
  [
    {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'user', content: [png] },
      ],
    },
    'messages[1].content[0]',
  ],
  [{ messages: [{ role: 'user', content: [result] }] }, 'messages[0].content[0].tool_use_id'],
  [
    { messages: [{ role: 'user', content: [{ type: 'document', source: {} }] }] },
    'messages[0].content[0].type',
  ],
  [
    {
      thinking: { type: 'enabled', budget_tokens: 10 },
      messages: [...HELLO.messages, { role: 'assistant', content: 'It' }],
    },
    'thinking.type',
  ],
];

for (const [fields, name] of REFUSED) {
  test(`${JSON.stringify(fields)} is rejected by the name of ${name}`, async () => {
    const { reply, engine } = await post({ ...HELLO, ...fields });
    assert.equal(reply.statusCode, 400, reply.body);
    const body = reply.json();
    assert.equal(body.type, 'error');
    assert.equal(body.error.type, 'invalid_request_error');
    assert.ok(body.error.message.includes(`\`${name}\``), body.error.message);
    assert.equal(body.request_id, reply.headers['request-id']);
    assert.equal(engine.requests.length, 0);
  });
}

test('consecutive turns of one role become one', async () => {
  const { formatter } = await post({
    ...HELLO,
    system: [
      { type: 'text', text: 'One.' },
      { type: 'text', text: 'Two.', cache_control: { type: 'ephemeral' } },
    ],
    messages: [
      { role: 'user', content: 'A' },
      { role: 'user', content: 'B' },
      { role: 'assistant', content: 'C' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'T' },
          { type: 'text', text: 'D' },
        ],
      },
      { role: 'system', content: 'S' },
      { role: 'user', content: 'E' },
    ],
  });
  assert.deepEqual(
    formatter.calls[0]?.messages.map(({ role, content, reasoning }) => ({
      role,
      content,
      reasoning,
    })),
    [
      { role: 'system', content: 'One.\n\nTwo.', reasoning: undefined },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'A' },
          { type: 'text', text: 'B' },
        ],
        reasoning: undefined,
      },
      { role: 'assistant', content: 'CD', reasoning: 'T' },
      { role: 'system', content: 'S', reasoning: undefined },
      { role: 'user', content: [{ type: 'text', text: 'E' }], reasoning: undefined },
    ],
  );
});

test('errors before or outside the schema have the same shape', async () => {
  const { app } = await buildTestApp();
  const broken = await app.inject({
    method: 'POST',
    url: '/v1/messages',
    headers: { 'content-type': 'application/json' },
    payload: '{"model":',
  });
  assert.equal(broken.statusCode, 400);
  assert.equal(broken.json().type, 'error');
  const { reply } = await post({ ...HELLO, model: 'other' });
  assert.equal(reply.statusCode, 404);
  assert.equal(reply.json().error.type, 'not_found_error');
});

test('sampling and limits reach the engine', async () => {
  const { engine } = await post({
    ...HELLO,
    temperature: 0.5,
    top_p: 0.8,
    top_k: 7,
    stop_sequences: ['X'],
    metadata: { user_id: 'me' },
  });
  const { sampling, maxTokens, stop } = engine.lastRequest;
  assert.deepEqual(
    [sampling.temperature, sampling.topP, sampling.topK, maxTokens, stop],
    [0.5, 0.8, 7, 100, ['X']],
  );
});

test('headers and the log line report the decision as on the chat endpoint', async () => {
  const { reply, log } = await post(HELLO);
  assert.equal(reply.headers['x-thinking-decision'], 'think');
  assert.equal(reply.headers['x-completion-id'], reply.json().id);
  assert.equal(log[0]?.completion_id, reply.json().id);
  assert.equal(reply.json().decision.p_think, 0.75);
});
