import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  ChatCompletion,
  ChatCompletionChunk,
} from '../../../../src/server/api/openai-chat/response-schema.ts';
import { chatCompletionSchema } from '../../../../src/server/api/openai-chat/response-schema.ts';
import {
  FakeEngineClient,
  type ScriptOptions,
  scriptedEvents,
} from '../../../helpers/fake-engine-client.ts';
import { buildTestApp, parseEvents, postChat } from '../../../helpers/test-app.ts';

const TOOLS = [
  {
    type: 'function',
    function: { name: 'weather', description: 'Weather.', parameters: { type: 'object' } },
  },
  { type: 'function', function: { name: 'time' } },
];
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';

const saying = (options: ScriptOptions): FakeEngineClient =>
  new FakeEngineClient((request) => scriptedEvents(request, options));

async function choiceOf(options: ScriptOptions, fields: Record<string, unknown> = {}) {
  const { app } = await buildTestApp({ engine: saying(options) });
  const reply = await postChat(app, { tools: TOOLS, ...fields });
  assert.equal(reply.statusCode, 200, reply.body);
  const body: ChatCompletion = chatCompletionSchema.parse(reply.json());
  return body.choices[0]!;
}

async function chunksOf(options: ScriptOptions, fields: Record<string, unknown> = {}) {
  const { app } = await buildTestApp({ engine: saying(options) });
  const reply = await postChat(app, { tools: TOOLS, stream: true, ...fields });
  const events = parseEvents(reply.body);
  return events
    .filter((event): event is ChatCompletionChunk => typeof event === 'object')
    .map(({ choices }) => choices[0]!);
}

test('a call is in tool_calls, with null content and the finish reason tool_calls', async () => {
  const { message, finish_reason } = await choiceOf({ answer: Array.from(`\n\n${CALL}`) });
  assert.equal(message.content, null);
  assert.equal(finish_reason, 'tool_calls');
  const [call] = message.tool_calls ?? [];
  assert.match(call?.id ?? '', /^call_[0-9a-f]{24}$/);
  assert.deepEqual(call?.function, { name: 'weather', arguments: '{"city": "Bern"}' });
  assert.equal(message.reasoning_content, 'Let me see.');
});

test('a stream gives the id and name first, then the arguments in pieces', async () => {
  const answer = [
    '<tool_call>{"na',
    'me": "weather", "argu',
    'ments": {"ci',
    'ty": "Bern"',
    '}}</tool_call>',
  ];
  const choices = await chunksOf({ reasoning: [], answer });
  const calls = choices.flatMap(({ delta }) => delta.tool_calls ?? []);
  const [first, ...rest] = calls;
  assert.equal(first?.function.name, 'weather');
  assert.equal(first?.type, 'function');
  assert.equal(first?.index, 0);
  assert.deepEqual(rest, [
    { index: 0, function: { arguments: '{"ci' } },
    { index: 0, function: { arguments: 'ty": "Bern"' } },
    { index: 0, function: { arguments: '}' } },
  ]);
  assert.ok(choices.every(({ delta }) => !delta.content));
  assert.equal(choices.at(-1)?.finish_reason, 'tool_calls');
});

test('several calls have their own index, id and arguments', async () => {
  const second = '<tool_call>{"name": "time", "arguments": {}}</tool_call>';
  const { message } = await choiceOf({ answer: [CALL, '\n', second] });
  assert.deepEqual(
    message.tool_calls?.map(({ function: { name } }) => name),
    ['weather', 'time'],
  );
  const ids = message.tool_calls?.map(({ id }) => id);
  assert.equal(new Set(ids).size, 2);
  const choices = await chunksOf({ answer: [CALL, '\n', second] });
  const starts = choices.flatMap(({ delta }) => delta.tool_calls ?? []).filter(({ id }) => id);
  assert.deepEqual(
    starts.map(({ index }) => index),
    [0, 1],
  );
});

test('a call written while thinking is thinking', async () => {
  const { message, finish_reason } = await choiceOf({ reasoning: [CALL], answer: ['No need.'] });
  assert.equal(message.tool_calls, undefined);
  assert.equal(message.reasoning_content, CALL);
  assert.equal(message.content, 'No need.');
  assert.equal(finish_reason, 'stop');
});

test('a call after inline thinking is a call', async () => {
  const { message } = await choiceOf({ answer: [CALL] }, { separate_reasoning: false });
  assert.equal(message.content, '<think>\nLet me see.\n</think>\n\n');
  assert.equal(message.tool_calls?.length, 1);
});

test('a call is text when the request has no tools', async () => {
  for (const fields of [{ tools: undefined }, { tools: [] }, { tool_choice: 'none' }]) {
    const { message, finish_reason } = await choiceOf({ answer: [CALL] }, fields);
    assert.equal(message.content, CALL);
    assert.equal(finish_reason, 'stop');
  }
});

test('a reply that is cut off within a call ends with length', async () => {
  const answer = ['<tool_call>{"name": "time", "arguments": {"zone'];
  const { message, finish_reason } = await choiceOf({ answer, finish: { reason: 'length' } });
  assert.equal(finish_reason, 'length');
  assert.equal(message.tool_calls?.[0]?.function.arguments, '{"zone');
});

test('earlier calls and their results reach the chat template', async () => {
  const { app, formatter } = await buildTestApp();
  const call = { id: 'c1', type: 'function', function: { name: 'time', arguments: '{"zone":1}' } };
  const reply = await postChat(app, {
    messages: [
      { role: 'user', content: 'a' },
      { role: 'assistant', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', name: 'time', content: [{ type: 'text', text: 'noon' }] },
    ],
  });
  assert.equal(reply.statusCode, 200, reply.body);
  const [, asked, told] = formatter.calls[0]?.messages ?? [];
  assert.deepEqual(asked?.toolCalls, [{ id: 'c1', name: 'time', arguments: { zone: 1 } }]);
  assert.equal(asked?.content, '');
  assert.equal(told?.toolCallId, 'c1');
});

const called = (overrides: object) => [
  {
    role: 'assistant',
    content: null,
    tool_calls: [
      { id: 'c1', type: 'function', function: { name: 'time', arguments: '{}' }, ...overrides },
    ],
  },
];

const REFUSED: [Record<string, unknown>, string, RegExp][] = [
  [{ tools: [{ type: 'custom' }] }, 'tools[0].type', /"function".*"custom"/],
  [{ tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name', /required/],
  [
    { tools: [{ type: 'function', function: { name: 'a b' } }] },
    'tools[0].function.name',
    /1 to 64 letters/,
  ],
  [{ tools: [TOOLS[1], TOOLS[1]] }, 'tools[1].function.name', /tools\[0\]/],
  [{ tools: Array.from({ length: 129 }, () => TOOLS[1]) }, 'tools', /at most 128 items; got 129/],
  [{ tool_choice: 'auto' }, 'tool_choice', /needs `tools`/],
  [{ parallel_tool_calls: false }, 'parallel_tool_calls', /needs `tools`/],
  [
    { tools: TOOLS, tool_choice: { type: 'function', function: { name: 'fly' } } },
    'tool_choice.function.name',
    /"fly", which is not among/,
  ],
  [
    {
      tools: [
        {
          type: 'function',
          function: {
            name: 'f',
            strict: true,
            parameters: { properties: { a: { type: 'number', multipleOf: 1 } } },
          },
        },
      ],
    },
    'tools[0].function.parameters.properties.a.multipleOf',
    /cannot be enforced/,
  ],
  [
    {
      tools: [
        { type: 'function', function: { name: 'f', strict: true, parameters: { type: 'array' } } },
      ],
    },
    'tools[0].function.parameters.type',
    /must be "object"/,
  ],
  [
    {
      tools: TOOLS,
      tool_choice: 'required',
      continue_final_message: true,
      messages: [{ role: 'assistant', content: 'x' }],
    },
    'tool_choice',
    /`continue_final_message`/,
  ],
  [{ messages: [{ role: 'assistant' }] }, 'messages[0].content', /required/],
  [
    { messages: [{ role: 'tool', content: 'x', tool_call_id: 'c1' }] },
    'messages[0].tool_call_id',
    /"c1", which no earlier/,
  ],
  [
    {
      messages: [
        ...called({}),
        { role: 'tool', content: 'x', tool_call_id: 'c1', name: 'weather' },
      ],
    },
    'messages[1].name',
    /"weather", but the call is of "time"/,
  ],
  [
    { messages: called({ function: { name: 'time', arguments: '[1' } }) },
    'messages[0].tool_calls[0].function.arguments',
    /JSON of an object/,
  ],
];

for (const [fields, param, message] of REFUSED) {
  test(`${JSON.stringify(fields).slice(0, 80)} is rejected and names ${param}`, async () => {
    const { app, engine } = await buildTestApp();
    const reply = await postChat(app, fields);
    assert.equal(reply.statusCode, 400);
    assert.equal(reply.json().error.param, param);
    assert.match(reply.json().error.message, message);
    assert.equal(engine.requests.length, 0);
  });
}

test('a model without a known call format takes no tools', async () => {
  const { TEST_MANIFEST } = await import('../../../helpers/test-app.ts');
  const chat = { ...TEST_MANIFEST.chat, toolCalls: null };
  const { app } = await buildTestApp({ manifest: { chat } });
  const reply = await postChat(app, { tools: TOOLS });
  assert.equal(reply.json().error.code, 'unsupported_parameter');
  assert.equal((await postChat(app, { tools: TOOLS, tool_choice: 'none' })).statusCode, 200);
});

interface Calls {
  readonly tools: readonly { readonly name: string; readonly schema: unknown }[];
  readonly otherwise: unknown;
  readonly single: boolean;
}

async function grammarFor(fields: Record<string, unknown>): Promise<Calls> {
  const { app, engine } = await buildTestApp();
  const reply = await postChat(app, { tools: TOOLS, ...fields });
  assert.equal(reply.statusCode, 200, reply.body);
  return JSON.parse(engine.lastRequest.grammar ?? 'null');
}

test('tool_choice decides which tools must and may be called', async () => {
  const named = { type: 'function', function: { name: 'time' } };
  for (const [choice, names, otherwise] of [
    ['auto', ['weather', 'time'], 'text'],
    [undefined, ['weather', 'time'], 'text'],
    ['required', ['weather', 'time'], 'nothing'],
    [named, ['time'], 'nothing'],
    [{ type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [named] } }, ['time'], 'text'],
    [
      { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [named] } },
      ['time'],
      'nothing',
    ],
  ] as const) {
    const grammar = await grammarFor({ tool_choice: choice });
    assert.deepEqual(
      grammar.tools.map(({ name }) => name),
      names,
    );
    assert.equal(grammar.otherwise, otherwise);
  }
});

test('the answer may be JSON instead of calls when the request allows both', async () => {
  const grammar = await grammarFor({ response_format: { type: 'json_object' } });
  assert.deepEqual(grammar.otherwise, { type: 'object' });
});

test('arguments follow their schema, or are any object when a tool without `strict` has an unsupported schema', async () => {
  const tool = (parameters: object) => ({ type: 'function', function: { name: 'f', parameters } });
  const schema = async (parameters: object) =>
    (await grammarFor({ tools: [tool(parameters)] })).tools[0]?.schema;
  assert.deepEqual(await schema({ type: 'object', properties: { a: { const: 1 } } }), {
    type: 'object',
    properties: { a: { enum: [1] } },
    required: [],
    additionalProperties: false,
  });
  assert.deepEqual(await schema({ type: 'object', minProperties: 1 }), { type: 'object' });
  assert.deepEqual(await schema({ type: 'array' }), { type: 'object' });
});
