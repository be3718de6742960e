import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  completionChunkSchema,
  completionSchema,
} from '../../../../src/server/api/completions/completions-schema.ts';
import {
  FakeEngineClient,
  failingAtLast,
  type ScriptOptions,
  scriptedEvents,
} from '../../../helpers/fake-engine-client.ts';
import { buildTestApp, parseEvents, type TestAppOptions } from '../../../helpers/test-app.ts';

const HELLO = { model: 'test-model', prompt: 'Hello' };

async function post(fields: Record<string, unknown> = {}, options: TestAppOptions = {}) {
  const built = await buildTestApp(options);
  const payload = { ...HELLO, ...fields };
  const reply = await built.app.inject({ method: 'POST', url: '/v1/completions', payload });
  return { ...built, reply };
}

const saying = (options: ScriptOptions): FakeEngineClient =>
  new FakeEngineClient((request) => scriptedEvents(request, { reasoning: [], ...options }));

test('a completion has every field that OpenAI requires', async () => {
  const { reply, engine, log } = await post();
  assert.equal(reply.statusCode, 200, reply.body);
  const { id, created, ...body } = completionSchema.parse(reply.json());
  assert.match(id, /^cmpl-[0-9a-f]{32}$/);
  assert.ok(created > 0);
  assert.deepEqual(body, {
    object: 'text_completion',
    model: 'test-model',
    choices: [
      { index: 0, text: 'Forty-two', logprobs: null, finish_reason: 'stop', stop_reason: null },
    ],
    usage: {
      prompt_tokens: 5,
      completion_tokens: 3,
      total_tokens: 8,
      prompt_tokens_details: { cached_tokens: 2, image_tokens: 0, text_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
  });
  assert.equal(engine.lastRequest.maxTokens, 16);
  assert.equal(engine.lastRequest.thinking.start, 'answer');
  assert.equal(log[0]?.completion_id, id);
});

test('choices of one prompt go to one engine, other prompts may go elsewhere', async () => {
  const { reply, engine } = await post({ prompt: ['One', 'Two'], n: 2 });
  const { id } = reply.json();
  assert.deepEqual(
    engine.requests.map(({ group }) => group),
    [`${id}-0`, `${id}-0`, `${id}-1`, `${id}-1`],
  );
});

test('the text is exactly what the model generated, tags included', async () => {
  const engine = new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request, { reasoning: [], answer: ['a'] })) {
      if (event.type !== 'token') yield event;
      else {
        const pieces = [
          { section: 'delimiter' as const, text: '<answer>' },
          { section: 'answer' as const, text: '<think>a' },
        ];
        yield { ...event, pieces };
      }
    }
  });
  const { reply } = await post({}, { engine });
  assert.equal(reply.json().choices[0].text, '<answer><think>a');
});

test('spelled-out control tokens in a text become control tokens; ids are taken unchanged', async () => {
  const spelled = await post({ prompt: 'A</think>' });
  assert.deepEqual([...spelled.engine.lastRequest.promptTokenIds], [65, 299]);
  const ids = await post({ prompt: [65, 299], echo: true });
  assert.deepEqual([...ids.engine.lastRequest.promptTokenIds], [65, 299]);
  assert.equal(ids.reply.json().choices[0].text, 'A</think>Forty-two');
});

test('several prompts each have their choices in order', async () => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, {
      reasoning: [],
      answer: [String.fromCharCode(request.promptTokenIds[0] ?? 0), '!'],
    }),
  );
  const { reply, log } = await post(
    { prompt: ['ab', [99], 'd'], n: 2, best_of: 2, echo: true },
    { engine },
  );
  const { choices, usage } = completionSchema.parse(reply.json());
  assert.deepEqual(
    choices.map(({ text }) => text),
    ['aba!', 'aba!', 'cc!', 'cc!', 'dd!', 'dd!'],
  );
  assert.equal(usage.prompt_tokens, 4);
  assert.equal(usage.completion_tokens, 12);
  assert.equal(log[0]?.tokens.prompt, 4);
  assert.equal(new Set(engine.requests.map(({ id }) => id)).size, 6);
});

test('a stream gives each choice its pieces, one finish reason, then usage and the end', async () => {
  const { reply } = await post({
    prompt: ['a', 'b'],
    echo: true,
    stream: true,
    stream_options: { include_usage: true },
  });
  const events = parseEvents(reply.body);
  assert.equal(events.pop(), '[DONE]');
  const chunks = events.map((event) => completionChunkSchema.parse(event));
  assert.deepEqual(chunks.pop()?.choices, []);
  for (const [index, prompt] of ['a', 'b'].entries()) {
    const own = chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));
    assert.equal(own.map(({ text }) => text).join(''), `${prompt}Forty-two`);
    assert.deepEqual(
      own.map(({ finish_reason: reason }) => reason).filter((reason) => reason !== null),
      ['stop'],
    );
  }
});

test('log-probabilities have the text offsets of their tokens', async () => {
  const engine = saying({ answer: ['a', 'b'] });
  const { reply } = await post({ logprobs: 1 }, { engine });
  assert.deepEqual(reply.json().choices[0].logprobs, {
    tokens: ['a', 'b'],
    token_logprobs: [-0.5, -0.5],
    top_logprobs: [{ a: -0.5 }, { b: -0.5 }],
    text_offset: [0, 1],
  });
  const none = await post({ logprobs: 0 }, { engine });
  assert.equal(none.reply.json().choices[0].logprobs.top_logprobs, null);
});

test('the finish reason says why a text ended', async () => {
  const engine = saying({ finish: { reason: 'stop', stopString: 'END' } });
  const stopped = await post({ stop: 'END' }, { engine });
  assert.equal(stopped.reply.json().choices[0].stop_reason, 'END');
  const cut = await post({}, { engine: saying({ finish: { reason: 'length' } }) });
  assert.equal(cut.reply.json().choices[0].finish_reason, 'length');
});

test('a failure in the middle of a stream is an error without a finish reason', async () => {
  const engine = failingAtLast();
  const { reply } = await post({ stream: true }, { engine });
  const events = parseEvents(reply.body) as { error?: { message: string } }[];
  assert.equal(events.at(-1)?.error?.message, 'The step failed.');
  assert.doesNotMatch(reply.body, /"finish_reason":"/);
});

const REFUSED: readonly [Record<string, unknown>, string][] = [
  [{ prompt: undefined }, 'prompt'],
  [{ prompt: '' }, 'prompt'],
  [{ prompt: [] }, 'prompt'],
  [{ prompt: ['a', ''] }, 'prompt[1]'],
  [{ prompt: [[1], [300]] }, 'prompt[1][0]'],
  [{ prompt: [1, 298] }, 'prompt'],
  [{ suffix: 'x' }, 'suffix'],
  [{ best_of: 3 }, 'best_of'],
  [{ echo: true, logprobs: 1 }, 'echo'],
  [{ logprobs: true }, 'logprobs'],
  [{ max_tokens: 0 }, 'max_tokens'],
  [{ max_tokens: 1000 }, 'prompt'],
  [{ prompt: ['a', 'b'.repeat(250)] }, 'prompt[1]'],
  [{ thinking_mode: 'fast' }, 'thinking_mode'],
  [{ messages: [] }, 'messages'],
  [{ n: 1000 }, 'n'],
];

for (const [fields, name] of REFUSED) {
  test(`${JSON.stringify(fields).slice(0, 80)} is rejected and names ${name}`, async () => {
    const { reply, engine } = await post(fields);
    assert.equal(reply.statusCode, 400, reply.body);
    assert.equal(reply.json().error.param, name, reply.body);
    assert.equal(engine.requests.length, 0);
  });
}

test('a model name with a thinking mode is rejected', async () => {
  const { reply } = await post({ model: 'test-model:fast' });
  assert.equal(reply.statusCode, 404);
  assert.match(reply.json().error.message, /conversations/);
  const { app } = await buildTestApp();
  const headers = { 'x-thinking-mode': 'fast' };
  const url = '/v1/completions';
  const byHeader = await app.inject({ method: 'POST', url, headers, payload: HELLO });
  assert.equal(byHeader.statusCode, 400);
  assert.equal(byHeader.json().error.param, 'x-thinking-mode');
});
