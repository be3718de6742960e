import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildTestApp } from '../../../helpers/test-app.ts';

const HELLO = { model: 'test-model', input: 'Hello' };

async function post(payload: Record<string, unknown>) {
  const built = await buildTestApp();
  const reply = await built.app.inject({ method: 'POST', url: '/v1/responses', payload });
  return { ...built, reply };
}

const user = (...content: unknown[]) => ({ role: 'user', content });
const result = { type: 'function_call_output', call_id: 'nobody', output: 'x' };

const REFUSED: readonly [Record<string, unknown>, string][] = [
  [{ input: undefined }, 'input'],
  [{ input: [] }, 'input'],
  [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0].type'],
  [{ input: [{ role: 'critic', content: 'x' }] }, 'input[0].role'],
  [{ input: [user({ type: 'input_file', file_id: 'x' })] }, 'input[0].content[0].type'],
  [
    {
      input: ['Hi', 'you']
        .map((text) => user({ type: 'input_text', text }))
        .concat(user({ type: 'input_image', image_url: 'ftp://x' })),
    },
    'input[2].content[0]',
  ],
  [{ input: [user({ type: 'input_image', file_id: 'x' })] }, 'input[0].content[0].image_url'],
  [{ input: [result] }, 'input[0].call_id'],
  [
    { input: [{ type: 'function_call', call_id: 'a', name: 'b', arguments: '[' }] },
    'input[0].arguments',
  ],
  [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
  [{ conversation: 'c' }, 'conversation'],
  [{ store: true }, 'store'],
  [{ background: true }, 'background'],
  [{ truncation: 'auto' }, 'truncation'],
  [{ tools: [{ type: 'web_search' }] }, 'tools[0].type'],
  [{ include: ['reasoning.encrypted_content'] }, 'include[0]'],
  [{ top_logprobs: 2 }, 'top_logprobs'],
  [{ reasoning: { summary: 'concise' } }, 'reasoning.summary'],
  [{ reasoning: { effort: 'none' }, thinking_mode: 'think' }, 'thinking_mode'],
  [{ max_tokens: 5 }, 'max_tokens'],
  [{ max_output_tokens: 0 }, 'max_output_tokens'],
  [{ tool_choice: { type: 'function', name: 'f' } }, 'tool_choice'],
  [
    { text: { format: { type: 'json_schema', name: 'x', schema: { type: 'nothing' } } } },
    'text.format.schema.type',
  ],
  [{ max_output_tokens: 1000 }, 'input'],
];

for (const [fields, name] of REFUSED) {
  test(`${JSON.stringify(fields)} is rejected by the name of ${name}`, async () => {
    const { reply, engine } = await post({ ...HELLO, ...fields });
    assert.equal(reply.statusCode, 400, reply.body);
    const { error } = reply.json();
    assert.equal(error.param, name, error.message);
    assert.equal(engine.requests.length, 0);
  });
}

test('instructions and a system message that opens the input are one message', async () => {
  const { formatter } = await post({
    ...HELLO,
    instructions: 'One.',
    input: [
      { role: 'developer', content: [{ type: 'input_text', text: 'Two.' }] },
      { role: 'user', content: 'Hello' },
    ],
  });
  assert.deepEqual(formatter.calls[0]?.messages, [
    { role: 'system', content: 'One.\n\nTwo.' },
    { role: 'user', content: 'Hello' },
  ]);
});

test('thinking, text and calls of one turn are one message', async () => {
  const { formatter, reply } = await post({
    ...HELLO,
    input: [
      { role: 'user', content: 'Hello' },
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Short.' }], content: [] },
      { role: 'assistant', content: 'Hi.' },
      { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
      { type: 'function_call', call_id: 'b', name: 'g', arguments: '{}' },
      { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'x' }] },
      { type: 'function_call_output', call_id: 'a', output: 'y' },
    ],
  });
  assert.equal(reply.statusCode, 200, reply.body);
  const [, assistant, ...results] = formatter.calls[0]?.messages ?? [];
  assert.equal(assistant?.reasoning, 'Short.');
  assert.equal(assistant?.content, 'Hi.');
  assert.deepEqual(
    assistant?.toolCalls?.map(({ id }) => id),
    ['a', 'b'],
  );
  assert.deepEqual(
    results.map(({ content }) => content),
    ['x', 'y'],
  );
});
