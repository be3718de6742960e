import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Ajv } from 'ajv';
import type { RunningServer } from '../../src/server/main.ts';
import { ask, post, requestBody, startShipped } from '../helpers/shipped-server.ts';

describe('structured answers of the shipped model', () => {
  let server: RunningServer;
  before(async () => {
    server = await startShipped({ engine: { maxNumSeqs: 4 } });
  });
  after(() => server.close());

  const SUM = { image: null, question: 'What is 23 + 48?' };
  const SCHEMA = {
    type: 'object',
    properties: {
      result: { type: 'integer', minimum: 0, maximum: 999 },
      sure: { type: 'boolean' },
      word: { type: 'string', maxLength: 12 },
      kind: { enum: ['sum', 'difference'] },
    },
    required: ['result', 'sure', 'kind'],
  };
  const FORMAT = {
    type: 'json_schema',
    json_schema: { name: 'answer', schema: SCHEMA, strict: true },
  };
  const validate = new Ajv().compile(SCHEMA);

  async function reply(fields: Record<string, unknown>) {
    const body = await requestBody(SUM, { temperature: 0, max_tokens: 300, ...fields });
    const { choices } = await ask(server, body);
    return choices[0];
  }

  describe('an answer held to a schema', () => {
    for (const mode of ['fast', 'think', 'auto']) {
      it(`is valid and leaves the thinking as it is (${mode})`, async () => {
        const free = await reply({ thinking_mode: mode });
        const held = await reply({ thinking_mode: mode, response_format: FORMAT });
        assert.ok(validate(JSON.parse(held.message.content)), held.message.content);
        assert.equal(held.finish_reason, 'stop');
        assert.equal(held.message.reasoning_content, free.message.reasoning_content);
        assert.equal(held.thinking.mode, free.thinking.mode);
        assert.equal(held.thinking.p_think, free.thinking.p_think);
      });
    }

    it('is valid at any temperature, several at once', async () => {
      const replies = await Promise.all(
        Array.from({ length: 8 }, (_, seed) =>
          reply({ temperature: 1.5, seed, response_format: FORMAT, thinking_budget: 20 }),
        ),
      );
      for (const { message } of replies) {
        assert.ok(validate(JSON.parse(message.content)), message.content);
      }
    });

    it('has the finish reason length when it is cut off', async () => {
      const held = await reply({ thinking_mode: 'fast', max_tokens: 4, response_format: FORMAT });
      assert.equal(held.finish_reason, 'length');
      assert.throws(() => JSON.parse(held.message.content));
    });

    it('is any JSON object when no schema is given', async () => {
      const schema = { type: 'object', additionalProperties: { type: 'boolean' } };
      const json_schema = { name: 'flags', schema };
      const held = await reply({
        thinking_mode: 'fast',
        response_format: { type: 'json_schema', json_schema },
        max_tokens: 200,
      });
      if (held.finish_reason === 'stop') {
        assert.ok(new Ajv().compile(schema)(JSON.parse(held.message.content)));
      } else {
        assert.match(held.message.content, /^\{"/);
      }
    });
  });

  const TOOLS = [
    {
      type: 'function',
      function: {
        name: 'add',
        description: 'Adds two numbers.',
        parameters: {
          type: 'object',
          properties: {
            a: { type: 'integer', minimum: 0, maximum: 999 },
            b: { type: 'integer', minimum: 0, maximum: 999 },
          },
          required: ['a', 'b'],
        },
      },
    },
    { type: 'function', function: { name: 'stop' } },
  ];
  const isAddition = new Ajv().compile(TOOLS[0]?.function.parameters ?? {});

  describe('a call', () => {
    for (const [name, choice] of [
      ['named', { type: 'function', function: { name: 'add' } }],
      ['required', 'required'],
    ] as const) {
      for (const mode of ['fast', 'auto']) {
        it(`that is ${name} comes with valid arguments (${mode})`, async () => {
          const { message, finish_reason } = await reply({
            thinking_mode: mode,
            tools: TOOLS,
            tool_choice: choice,
            parallel_tool_calls: false,
          });
          assert.equal(finish_reason, 'tool_calls');
          assert.equal(message.content, null);
          const [call, ...others] = Object(message).tool_calls;
          assert.deepEqual(others, []);
          const values = JSON.parse(call.function.arguments);
          if (call.function.name === 'add') assert.ok(isAddition(values), call.function.arguments);
          else assert.equal(call.function.name, 'stop');
        });
      }
    }

    it('is left to the model otherwise, which answers as trained', async () => {
      const { message } = await reply({ thinking_mode: 'fast', tools: TOOLS });
      assert.equal(Object(message).tool_calls, undefined);
      assert.ok(message.content.length > 0);
    });
  });

  it('rejects a schema that cannot be enforced before it generates anything', async () => {
    const schema = { type: 'object', minProperties: 2 };
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema } };
    const response = await post(server, await requestBody(SUM, { response_format }));
    assert.equal(response.status, 400);
    const { error } = Object(await response.json());
    assert.equal(error.code, 'unsupported_schema');
    assert.equal(error.param, 'response_format.json_schema.schema.minProperties');
  });
});
