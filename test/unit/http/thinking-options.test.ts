import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../../src/http/errors.ts';
import type { ChatCompletionRequest } from '../../../src/http/request-schema.ts';
import { availableModes, resolveThinking } from '../../../src/http/thinking-options.ts';

const ALL = { modes: { auto: {}, think: {}, fast: {} }, defaultMode: 'auto' } as const;

function body(fields: Partial<ChatCompletionRequest>): ChatCompletionRequest {
  return { model: 'm', messages: [{ role: 'user', content: 'x' }], ...fields };
}

const RESOLVED: readonly (readonly [
  Partial<ChatCompletionRequest>,
  string,
  string,
  number | null,
])[] = [
  [{}, 'auto', 'policy', null],
  [{ thinking_mode: 'auto' }, 'auto', 'request', null],
  [{ thinking_mode: 'long' }, 'think', 'request', null],
  [
    { thinking_mode: 'think', chat_template_kwargs: { thinking_mode: 'long' } },
    'think',
    'request',
    null,
  ],
  [
    { thinking_mode: 'fast', chat_template_kwargs: { enable_thinking: false } },
    'fast',
    'request',
    null,
  ],
  [{ chat_template_kwargs: { enable_thinking: true }, thinking_budget: 5 }, 'think', 'request', 5],
  [{ thinking_budget: 5 }, 'auto', 'policy', 5],
  [{ thinking_budget: -1, thinking_mode: 'fast' }, 'fast', 'request', null],
  [{ thinking_budget: 0 }, 'fast', 'request', 0],
  [{ thinking_budget: 0, thinking_mode: 'auto' }, 'fast', 'request', 0],
  [{ thinking_budget: 0, thinking_mode: 'short' }, 'fast', 'request', 0],
];

for (const [fields, requested, source, budget] of RESOLVED) {
  test(`${JSON.stringify(fields)} is ${requested} by ${source} with budget ${budget}`, () => {
    assert.deepEqual(resolveThinking(body(fields), ALL), { requested, source, budget });
  });
}

const CONTRADICTIONS: readonly (readonly [Partial<ChatCompletionRequest>, string, string])[] = [
  [
    { thinking_mode: 'fast', chat_template_kwargs: { thinking_mode: 'think' } },
    'thinking_mode',
    'chat_template_kwargs.thinking_mode',
  ],
  [
    { thinking_mode: 'auto', chat_template_kwargs: { enable_thinking: true } },
    'thinking_mode',
    'chat_template_kwargs.enable_thinking',
  ],
  [
    { chat_template_kwargs: { thinking_mode: 'think', enable_thinking: false } },
    'chat_template_kwargs.thinking_mode',
    'chat_template_kwargs.enable_thinking',
  ],
  [{ thinking_mode: 'think', thinking_budget: 0 }, 'thinking_budget', 'thinking_mode'],
  [
    { chat_template_kwargs: { enable_thinking: true }, thinking_budget: 0 },
    'thinking_budget',
    'chat_template_kwargs.enable_thinking',
  ],
  [{ thinking_mode: 'fast', thinking_budget: 100 }, 'thinking_budget', 'thinking_mode'],
];

for (const [fields, first, second] of CONTRADICTIONS) {
  test(`${JSON.stringify(fields)} is refused naming both fields`, () => {
    assert.throws(
      () => resolveThinking(body(fields), ALL),
      (error: unknown) =>
        error instanceof ApiError &&
        error.status === 400 &&
        error.code === 'conflicting_parameters' &&
        error.message.includes(`\`${first}\``) &&
        error.message.includes(`\`${second}\``),
    );
  });
}

test('a mode the protocol lacks is refused with the modes there are', () => {
  const protocol = { modes: { think: {}, fast: {} }, defaultMode: 'think' } as const;
  assert.throws(
    () => resolveThinking(body({ thinking_mode: 'auto' }), protocol),
    /`thinking_mode` asks for auto, which this model cannot do; it can do: think, fast\./,
  );
  assert.equal(resolveThinking(body({}), protocol).requested, 'think');
});

test('a budget of 0 needs a model that can answer without thinking', () => {
  const protocol = { modes: { think: {} }, defaultMode: 'think' } as const;
  assert.throws(
    () => resolveThinking(body({ thinking_budget: 0 }), protocol),
    /`thinking_budget` asks for fast/,
  );
});

test("modes are listed in one order whatever the protocol's", () => {
  assert.deepEqual(availableModes({ modes: { fast: {}, auto: {} } }), ['auto', 'fast']);
});
