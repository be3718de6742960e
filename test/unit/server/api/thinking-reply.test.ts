import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFAULT_THINKING_POLICY } from '../../../helpers/default-settings.ts';
import { FakeEngineClient, scriptedEvents } from '../../../helpers/fake-engine-client.ts';
import {
  buildTestApp,
  chatBody,
  parseEvents,
  postChat,
  TEST_MANIFEST,
  type TestApp,
} from '../../../helpers/test-app.ts';

interface Choice {
  readonly message?: {
    content: string;
    reasoning: string | null;
    reasoning_content: string | null;
  };
  readonly delta?: { content?: string; reasoning?: string; reasoning_content?: string };
  readonly logprobs: { content: unknown[]; reasoning_content: unknown[] } | null;
  readonly thinking?: Record<string, unknown>;
}

const INLINE = '<think>\nLet me see.\n</think>\n\nForty-two';

async function choiceOf(app: TestApp, fields: Record<string, unknown>): Promise<Choice> {
  const reply = await postChat(app.app, fields);
  assert.equal(reply.statusCode, 200, reply.body);
  return reply.json().choices[0];
}

/** The text of a stream, field by field. */
async function streamed(app: TestApp, fields: Record<string, unknown>) {
  const reply = await postChat(app.app, { ...fields, stream: true });
  assert.equal(reply.statusCode, 200, reply.body);
  const chunks = parseEvents(reply.body) as { choices?: Choice[] }[];
  const deltas = chunks.flatMap(({ choices }) => choices?.map(({ delta }) => delta ?? {}) ?? []);
  return {
    content: deltas.map(({ content }) => content ?? '').join(''),
    reasoning: deltas.map(({ reasoning }) => reasoning ?? '').join(''),
    reasoningContent: deltas.map((delta) => delta.reasoning_content ?? '').join(''),
  };
}

describe('the thinking in the reply', () => {
  const SHOWN: readonly (readonly [Record<string, unknown>, string, string | null])[] = [
    [{}, 'Forty-two', 'Let me see.'],
    [{ include_reasoning: true, reasoning: { exclude: false } }, 'Forty-two', 'Let me see.'],
    [{ separate_reasoning: true }, 'Forty-two', 'Let me see.'],
    [{ include_reasoning: false }, 'Forty-two', null],
    [{ reasoning: { exclude: true } }, 'Forty-two', null],
    [{ separate_reasoning: false }, INLINE, null],
    [{ separate_reasoning: false, thinking_mode: 'fast' }, 'Forty-two', null],
  ];
  for (const [fields, content, reasoning] of SHOWN) {
    it(`${JSON.stringify(fields)}: alike in one piece and in a stream`, async () => {
      const app = await buildTestApp();
      const { message, thinking } = await choiceOf(app, fields);
      assert.deepEqual(
        [message?.content, message?.reasoning, message?.reasoning_content],
        [content, reasoning, reasoning],
      );
      // Tokens that are not shown were spent all the same.
      assert.equal(thinking?.['reasoning_tokens'], fields['thinking_mode'] === 'fast' ? 0 : 4);
      const parts = await streamed(app, fields);
      assert.deepEqual(parts, {
        content,
        reasoning: reasoning ?? '',
        reasoningContent: reasoning ?? '',
      });
    });
  }

  it('inline thinking without an end is closed', async () => {
    const engine = new FakeEngineClient((request) => scriptedEvents(request, { answer: [] }));
    const app = await buildTestApp({ engine });
    const { message } = await choiceOf(app, { separate_reasoning: false });
    assert.equal(message?.content, '<think>\nLet me see.\n</think>\n\n');
    const { content } = await streamed(app, { separate_reasoning: false });
    assert.equal(content, message?.content);
  });

  it('log-probabilities follow the text', async () => {
    const counts = async (fields: Record<string, unknown>): Promise<number[]> => {
      const { logprobs } = await choiceOf(await buildTestApp(), { ...fields, logprobs: true });
      return [logprobs?.content.length ?? -1, logprobs?.reasoning_content.length ?? -1];
    };
    assert.deepEqual(await counts({}), [3, 4]);
    assert.deepEqual(await counts({ include_reasoning: false }), [3, 0]);
    assert.deepEqual(await counts({ separate_reasoning: false }), [7, 0]);
  });

  const CONFLICTS: readonly (readonly [Record<string, unknown>, string, string])[] = [
    [
      { include_reasoning: true, reasoning: { exclude: true } },
      'include_reasoning',
      'reasoning.exclude',
    ],
    [
      { include_reasoning: false, reasoning: { exclude: false } },
      'include_reasoning',
      'reasoning.exclude',
    ],
    [
      { include_reasoning: false, separate_reasoning: false },
      'separate_reasoning',
      'include_reasoning',
    ],
    [
      { reasoning: { exclude: true }, separate_reasoning: false },
      'separate_reasoning',
      'reasoning.exclude',
    ],
  ];
  for (const [fields, first, second] of CONFLICTS) {
    it(`${JSON.stringify(fields)} is rejected naming both`, async () => {
      const { app } = await buildTestApp();
      const { error } = (await postChat(app, fields)).json();
      assert.equal(error.code, 'thinking_conflict');
      assert.ok(error.message.includes(`\`${first}\` and \`${second}\``), error.message);
    });
  }
});

describe('the header x-thinking-mode', () => {
  const withHeader = (app: TestApp, mode: string, fields = {}) =>
    app.app.inject({
      method: 'POST',
      url: '/v1/chat/completions',
      headers: { 'x-thinking-mode': mode },
      payload: chatBody(fields),
    });

  it('is honoured like the field', async () => {
    const app = await buildTestApp();
    await withHeader(app, 'short');
    assert.equal(app.engine.lastRequest.thinking.requested, 'fast');
    assert.equal(app.formatter.calls[0]?.mode, 'fast');
  });

  it('names the field it contradicts, and rejects words it does not know', async () => {
    const app = await buildTestApp();
    const { error } = (await withHeader(app, 'think', { enable_thinking: false })).json();
    assert.match(error.message, /`enable_thinking` and `x-thinking-mode` contradict/);
    const unknown = (await withHeader(app, 'deep')).json().error;
    assert.equal(unknown.param, 'x-thinking-mode');
    assert.match(unknown.message, /one of "auto".*got "deep"/);
  });
});

describe('a model name with a mode', () => {
  it('is the model in that mode, and the reply names the model', async () => {
    for (const mode of ['auto', 'think', 'fast']) {
      const app = await buildTestApp();
      const reply = await postChat(app.app, { model: `test-model:${mode}` });
      assert.equal(app.engine.lastRequest.thinking.requested, mode);
      assert.equal(reply.json().model, 'test-model');
    }
  });

  it('is no model with any other word', async () => {
    const { app } = await buildTestApp();
    const reply = await postChat(app, { model: 'test-model:deep' });
    assert.equal(reply.statusCode, 404);
  });
});

describe('room to think', () => {
  /** max_tokens, what it asks for, and what comes of it: mode and source given to the engine. */
  const ROOM: readonly (readonly [Record<string, unknown>, string, string])[] = [
    // Of 13 tokens 3 are kept for the answer and 3 close the thinking.
    [{ max_tokens: 13 }, 'fast', 'budget'],
    [{ max_tokens: 14 }, 'auto', 'policy'],
    [{ max_tokens: 1 }, 'fast', 'budget'],
    [{ max_tokens: 16, thinking_mode: 'auto', thinking_budget: 7 }, 'fast', 'budget'],
    [{ thinking_budget: 7 }, 'fast', 'budget'],
    [{ thinking_budget: 8 }, 'auto', 'policy'],
    [{ max_tokens: 8, thinking_mode: 'think' }, 'think', 'request'],
    [{ thinking_mode: 'think', thinking_budget: 1 }, 'think', 'request'],
    [{ max_tokens: 1, thinking_mode: 'fast' }, 'fast', 'request'],
  ];
  for (const [fields, mode, source] of ROOM) {
    it(`${JSON.stringify(fields)} is ${mode} by ${source}`, async () => {
      const app = await buildTestApp();
      const reply = await postChat(app.app, fields);
      assert.equal(reply.statusCode, 200, reply.body);
      const { thinking } = app.engine.lastRequest;
      assert.deepEqual([thinking.requested, thinking.source], [mode, source]);
      assert.deepEqual(
        app.formatter.calls.map((call) => call.mode),
        [mode],
      );
      const asked = fields['thinking_mode'] ?? 'auto';
      assert.equal(reply.json().choices[0].thinking.requested, asked);
    });
  }

  it('a model that thinks by default answers a request for 16 tokens', async () => {
    const { auto: _auto, ...modes } = TEST_MANIFEST.thinking.modes;
    const thinking = { ...TEST_MANIFEST.thinking, modes, defaultMode: 'think' as const };
    const manifest = { thinking };
    const app = await buildTestApp({ manifest });
    const reply = await postChat(app.app, { max_tokens: 12 });
    assert.equal(reply.statusCode, 200);
    assert.equal(app.formatter.calls[0]?.mode, 'fast');
    assert.equal(app.engine.lastRequest.thinking.source, 'budget');
  });

  it("the operator's forced thinking is dropped only where none of it fits", async () => {
    const thinking = { ...DEFAULT_THINKING_POLICY, mode: 'think' as const };
    const app = await buildTestApp({ settings: { thinking } });
    await postChat(app.app, { max_tokens: 6 });
    assert.deepEqual(app.formatter.calls.at(-1)?.mode, 'think');
    await postChat(app.app, { max_tokens: 3 });
    assert.deepEqual(app.formatter.calls.at(-1)?.mode, 'fast');
  });

  it('forced thinking that cannot fit is rejected with the numbers', async () => {
    const { app, engine } = await buildTestApp();
    const { error } = (await postChat(app, { max_tokens: 4, enable_thinking: true })).json();
    assert.equal(error.code, 'thinking_conflict');
    assert.match(
      error.message,
      /`max_tokens` and `enable_thinking` contradict: of 4 tokens 1 are kept for the answer and 3 close/,
    );
    assert.equal(engine.requests.length, 0);
  });

  it('a prompt that leaves little of the slot is rendered again, without loading its images twice', async () => {
    const app = await buildTestApp();
    const image = { type: 'image_url', image_url: { url: 'data:,x' } };
    const content = [image, { type: 'text', text: 'x'.repeat(240) }];
    const reply = await postChat(app.app, { messages: [{ role: 'user', content }] });
    assert.equal(reply.statusCode, 200, reply.body);
    const [first, second] = app.formatter.calls;
    assert.deepEqual([first?.mode, second?.mode], ['auto', 'fast']);
    assert.equal(second?.images?.length, 1);
    assert.equal(app.engine.lastRequest.thinking.source, 'budget');
  });
});

describe('a message to continue', () => {
  const user = { role: 'user', content: 'Hi' };
  const goingOn = (last: object, fields: object = {}) => ({
    messages: [user, { role: 'assistant', ...last }],
    continue_final_message: true,
    ...fields,
  });

  const MODES: readonly (readonly [string, object, string])[] = [
    ['an answer', { content: 'The' }, 'fast'],
    ['thinking', { content: '', reasoning: 'Let' }, 'think'],
    ['thinking and an answer', { content: 'The', reasoning_content: 'Let' }, 'think'],
    ['an open block', { content: '<think>\nLet' }, 'think'],
    ['an empty block', { content: '<think>\n\n</think>\n\nThe' }, 'fast'],
  ];
  for (const [name, last, mode] of MODES) {
    it(`that is ${name} makes it ${mode}, by the prompt`, async () => {
      const app = await buildTestApp();
      const reply = await postChat(app.app, goingOn(last));
      assert.equal(reply.statusCode, 200, reply.body);
      const { requested, source } = app.engine.lastRequest.thinking;
      assert.deepEqual([requested, source], [mode, 'prompt']);
      assert.equal(app.formatter.calls[0]?.mode, mode);
    });
  }

  it('contradicts another mode and a bias on a decision that is made', async () => {
    const { app } = await buildTestApp();
    for (const [fields, field] of [
      [{ thinking_mode: 'think' }, 'thinking_mode'],
      [{ thinking_bias: 1 }, 'thinking_bias'],
    ] as const) {
      const { error } = (await postChat(app, goingOn({ content: 'The' }, fields))).json();
      assert.equal(error.code, 'thinking_conflict');
      assert.ok(error.message.includes(`\`${field}\` and \`continue_final_message\``));
    }
  });

  it('inside the thinking needs room for its end and one answer token, and is rejected without it', async () => {
    const { app, engine } = await buildTestApp();
    const begun = { content: '', reasoning_content: 'Let' };
    // The closing text takes 3 tokens here.
    for (const max_tokens of [1, 3]) {
      const { error } = (await postChat(app, goingOn(begun, { max_tokens }))).json();
      assert.equal(error.code, 'thinking_conflict');
      assert.equal(error.param, 'max_tokens');
      assert.match(
        error.message,
        /`max_tokens` and `continue_final_message` .* 3 close the thinking/,
      );
    }
    assert.equal(engine.requests.length, 0);
    assert.equal((await postChat(app, goingOn(begun, { max_tokens: 4 }))).statusCode, 200);
    const answer = { content: 'The', reasoning_content: 'Let' };
    assert.equal((await postChat(app, goingOn(answer, { max_tokens: 1 }))).statusCode, 200);
  });
});
