import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ThinkingMode } from '../../../../src/package/protocol.ts';
import { parseChat } from '../../../../src/server/api/openai-chat/parse-chat.ts';
import type { ChatCompletionRequest } from '../../../../src/server/api/openai-chat/request-schema.ts';
import { CONTROL_FIELDS } from '../../../../src/server/api/openai-chat/thinking-fields.ts';
import { ApiError } from '../../../../src/server/http/errors.ts';
import { withControlsBesideBody } from '../../../../src/server/request/start-generation.ts';
import type { ModeWord } from '../../../../src/server/request/thinking-controls.ts';
import {
  resolveThinking,
  type ThinkingAbility,
} from '../../../../src/server/request/thinking-options.ts';
import { availableModes, policyProblem } from '../../../../src/server/request/thinking-policy.ts';
import { DEFAULT_THINKING_POLICY } from '../../../helpers/default-settings.ts';
import { TEST_PROFILE } from '../../../helpers/test-app.ts';

type Fields = Partial<ChatCompletionRequest>;
type Said = Fields & { readonly alias?: ThinkingMode | null; readonly header?: ModeWord | null };
type AbilityOptions = {
  readonly protocol?: Partial<ThinkingAbility['protocol']>;
  readonly policy?: Partial<ThinkingAbility['policy']>;
  readonly loadBias?: number;
  readonly profiles?: ThinkingAbility['profiles'];
};

const ALL: ThinkingAbility['protocol'] = {
  name: 'all',
  modes: { auto: {}, think: {}, fast: {} },
  defaultMode: 'auto',
  decide: { by: 'empty-block', probe: { think: ['a'], fast: ['b'] } },
  budget: { exit: '</think>', extension: 'Wait' },
};
const NO_AUTO: ThinkingAbility['protocol'] = {
  ...ALL,
  name: 'switched',
  modes: { think: {}, fast: {} },
  defaultMode: 'think',
  decide: { by: 'prompt' },
  budget: { exit: '</think>' },
};

const PROFILES = { economy: TEST_PROFILE, thorough: { ...TEST_PROFILE, threshold: 0.1 } };

function resolve(said: Said, options: AbilityOptions = {}) {
  const { alias = null, header = null, ...fields } = said;
  const model = alias === null ? 'm' : `m:${alias}`;
  const messages = [{ role: 'user' as const, content: 'x' }];
  const chat = withControlsBesideBody(parseChat({ model, messages, ...fields }), header, {
    id: 'm',
  });
  return resolveThinking(
    chat.thinking,
    {
      protocol: { ...ALL, ...options.protocol },
      policy: { ...DEFAULT_THINKING_POLICY, ...options.policy },
      profiles: options.profiles ?? {},
      loadBias: options.loadBias ?? 0,
    },
    'thinking_mode',
  );
}

function refusal(said: Said, options: AbilityOptions = {}): ApiError {
  try {
    resolve(said, options);
  } catch (error) {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 400);
    return error;
  }
  throw new Error(`${JSON.stringify(said)} was not refused.`);
}

type Row = readonly [Said, mode: string, source: string, budget: number | null];

const RESOLVED: readonly Row[] = [
  [{}, 'auto', 'policy', null],
  [{ thinking_mode: 'auto' }, 'auto', 'request', null],
  [{ thinking_mode: 'long' }, 'think', 'request', null],
  [{ thinking_mode: 'short' }, 'fast', 'request', null],
  [{ chat_template_kwargs: { thinking_mode: 'long' } }, 'think', 'request', null],
  [{ chat_template_kwargs: { enable_thinking: false } }, 'fast', 'request', null],
  [{ chat_template_kwargs: { thinking: true } }, 'think', 'request', null],
  [{ enable_thinking: true }, 'think', 'request', null],
  [{ enable_thinking: false }, 'fast', 'request', null],
  [{ reasoning_effort: 'none' }, 'fast', 'request', null],
  [{ reasoning_effort: 'minimal' }, 'think', 'request', 128],
  [{ reasoning_effort: 'low' }, 'think', 'request', 512],
  [{ reasoning_effort: 'medium' }, 'think', 'request', 2048],
  [{ reasoning_effort: 'high' }, 'think', 'request', 8192],
  [{ reasoning_effort: 'xhigh' }, 'think', 'request', 16_384],
  [{ reasoning_effort: 'max' }, 'think', 'request', null],
  [{ reasoning: { effort: 'low' } }, 'think', 'request', 512],
  [{ reasoning: { effort: 'none' } }, 'fast', 'request', null],
  [{ reasoning: { enabled: true } }, 'think', 'request', null],
  [{ reasoning: { enabled: false } }, 'fast', 'request', null],
  [{ reasoning: { max_tokens: 50 } }, 'auto', 'policy', 50],
  [{ reasoning: { max_tokens: 0 } }, 'fast', 'request', 0],
  [{ thinking: { type: 'enabled', budget_tokens: 70 } }, 'think', 'request', 70],
  [{ thinking: { type: 'disabled' } }, 'fast', 'request', null],
  [{ thinking: { type: 'adaptive' } }, 'auto', 'request', null],
  [{ thinking: { type: 'auto', budget_tokens: 0 } }, 'fast', 'request', 0],
  [{ thinking_budget: 5 }, 'auto', 'policy', 5],
  [{ thinking_budget: 0 }, 'fast', 'request', 0],
  [{ thinking_budget: -1 }, 'auto', 'policy', null],
  [{ thinking_budget: -1, thinking_mode: 'fast' }, 'fast', 'request', null],
  [{ thinking_budget: 0, thinking_mode: 'auto' }, 'fast', 'request', 0],
  [{ thinking_budget: 0, thinking_mode: 'short' }, 'fast', 'request', 0],
  [{ thinking_token_budget: 9 }, 'auto', 'policy', 9],
  [{ reasoning_budget_tokens: 9, thinking_budget: 9 }, 'auto', 'policy', 9],
  [{ reasoning_effort: 'low', thinking_budget: 512 }, 'think', 'request', 512],
  [{ reasoning_effort: 'max', thinking_budget: 77 }, 'think', 'request', 77],
  [{ alias: 'think' }, 'think', 'request', null],
  [{ alias: 'fast', header: 'short', enable_thinking: false }, 'fast', 'request', null],
  [{ header: 'long' }, 'think', 'request', null],
];

describe('what a request asks of the thinking', () => {
  for (const [said, mode, source, budget] of RESOLVED) {
    it(`${JSON.stringify(said)} is ${mode} by ${source} with budget ${budget}`, () => {
      const options = resolve(said);
      assert.deepEqual([options.requested, options.source, options.budget], [mode, source, budget]);
    });
  }

  it('says which fields asked, and which of them named the mode', () => {
    const options = resolve({ thinking_budget: 40, header: 'think' });
    assert.deepEqual(options.fields, ['thinking_budget', 'x-thinking-mode']);
    assert.equal(options.askedBy, 'x-thinking-mode');
    assert.equal(resolve({}).askedBy, null);
  });
});

/** Every control at both of its ends: what thinks and what does not. */
const THINKS: Readonly<Record<string, Said>> = {
  thinking_mode: { thinking_mode: 'think' },
  'chat_template_kwargs.thinking_mode': { chat_template_kwargs: { thinking_mode: 'long' } },
  'chat_template_kwargs.enable_thinking': { chat_template_kwargs: { enable_thinking: true } },
  'chat_template_kwargs.thinking': { chat_template_kwargs: { thinking: true } },
  enable_thinking: { enable_thinking: true },
  reasoning_effort: { reasoning_effort: 'high' },
  'reasoning.effort': { reasoning: { effort: 'high' } },
  'reasoning.enabled': { reasoning: { enabled: true } },
  'reasoning.max_tokens': { reasoning: { max_tokens: 300 } },
  'thinking.type': { thinking: { type: 'enabled' } },
  'thinking.budget_tokens': { thinking: { type: 'auto', budget_tokens: 300 } },
  thinking_budget: { thinking_budget: 300 },
  thinking_token_budget: { thinking_token_budget: 300 },
  reasoning_budget_tokens: { reasoning_budget_tokens: 300 },
  model: { alias: 'think' },
  'x-thinking-mode': { header: 'think' },
};
const ANSWERS: Readonly<Record<string, Said>> = {
  thinking_mode: { thinking_mode: 'fast' },
  'chat_template_kwargs.thinking_mode': { chat_template_kwargs: { thinking_mode: 'short' } },
  'chat_template_kwargs.enable_thinking': { chat_template_kwargs: { enable_thinking: false } },
  'chat_template_kwargs.thinking': { chat_template_kwargs: { thinking: false } },
  enable_thinking: { enable_thinking: false },
  reasoning_effort: { reasoning_effort: 'none' },
  'reasoning.effort': { reasoning: { effort: 'none' } },
  'reasoning.enabled': { reasoning: { enabled: false } },
  'reasoning.max_tokens': { reasoning: { max_tokens: 0 } },
  'thinking.type': { thinking: { type: 'disabled' } },
  'thinking.budget_tokens': { thinking: { type: 'auto', budget_tokens: 0 } },
  thinking_budget: { thinking_budget: 0 },
  thinking_token_budget: { thinking_token_budget: 0 },
  reasoning_budget_tokens: { reasoning_budget_tokens: 0 },
  model: { alias: 'fast' },
  'x-thinking-mode': { header: 'fast' },
};

/** One control thinks and the other does not, in one request. */
function together(first: string, second: string): Said {
  const [left, right] = [THINKS[first] ?? {}, ANSWERS[second] ?? {}];
  // The two fields of one object, each with something of its own to say.
  if (second === 'thinking.budget_tokens' && first === 'thinking.type') {
    return { thinking: { type: 'enabled', budget_tokens: 0 } };
  }
  if (first === 'thinking.budget_tokens' && second === 'thinking.type') {
    return { thinking: { type: 'disabled', budget_tokens: 300 } };
  }
  const merged: Record<string, unknown> = { ...right, ...left };
  for (const key of ['chat_template_kwargs', 'reasoning'] as const) {
    if (left[key] && right[key]) merged[key] = { ...right[key], ...left[key] };
  }
  return merged;
}

/** A budget beside `thinking.type: auto` may be named by either field: both say that the model may think. */
function namesControl(named: readonly string[], field: string): boolean {
  const either = ['thinking.type', 'thinking.budget_tokens'];
  return named.some(
    (found) => found === field || (either.includes(field) && either.includes(found)),
  );
}

/** The fields of a body, then what is beside it. */
const CONTROLS = [...CONTROL_FIELDS, 'model', 'x-thinking-mode'];

describe('contradictions', () => {
  it('the tables have every control', () => {
    assert.deepEqual(Object.keys(THINKS), CONTROLS);
    assert.deepEqual(Object.keys(ANSWERS), CONTROLS);
  });

  for (const first of CONTROLS) {
    it(`${first} that thinks contradicts every other control that does not`, () => {
      for (const second of CONTROLS.filter((field) => field !== first)) {
        const { code, message } = refusal(together(first, second));
        assert.equal(code, 'thinking_conflict', message);
        const named = [...message.matchAll(/`([\w.-]+)`/g)].map(([, field]) => field ?? '');
        assert.equal(new Set(named).size, 2, message);
        assert.ok(namesControl(named, first) && namesControl(named, second), message);
      }
    });
  }

  const OTHERS: readonly (readonly [Said, string, string])[] = [
    [{ thinking_mode: 'auto', enable_thinking: true }, 'thinking_mode', 'enable_thinking'],
    [
      { reasoning_effort: 'low', reasoning: { effort: 'high' } },
      'reasoning_effort',
      'reasoning.effort',
    ],
    [{ reasoning_effort: 'low', thinking_budget: 100 }, 'reasoning_effort', 'thinking_budget'],
    [{ reasoning: { effort: 'low', max_tokens: 100 } }, 'reasoning.effort', 'reasoning.max_tokens'],
    [{ thinking_budget: 5, thinking_token_budget: 6 }, 'thinking_budget', 'thinking_token_budget'],
    [
      { thinking_budget: -1, reasoning_budget_tokens: 6 },
      'thinking_budget',
      'reasoning_budget_tokens',
    ],
    [{ thinking_bias: 2, thinking_mode: 'think' }, 'thinking_bias', 'thinking_mode'],
    [{ thinking_profile: 'economy', thinking_bias: 0 }, 'thinking_profile', 'thinking_bias'],
    [
      { thinking_profile: 'economy', thinking_threshold: 0.8 },
      'thinking_profile',
      'thinking_threshold',
    ],
    [{ thinking_profile: 'economy', header: 'long' }, 'thinking_profile', 'x-thinking-mode'],
    [{ thinking_profile: 'economy', thinking_budget: 0 }, 'thinking_profile', 'thinking_budget'],
    [{ thinking_threshold: 0.2, thinking_budget: 0 }, 'thinking_threshold', 'thinking_budget'],
    [
      { thinking_extensions: 1, reasoning_effort: 'none' },
      'thinking_extensions',
      'reasoning_effort',
    ],
  ];
  for (const [said, first, second] of OTHERS) {
    it(`${JSON.stringify(said)} is refused naming both fields`, () => {
      const { code, message } = refusal(said, { profiles: PROFILES });
      assert.equal(code, 'thinking_conflict');
      assert.ok(message.includes(`\`${first}\``) && message.includes(`\`${second}\``), message);
    });
  }
});

describe('what the model cannot do', () => {
  it('a mode the protocol lacks is refused with the modes there are', () => {
    for (const said of [
      { thinking_mode: 'auto' },
      { chat_template_kwargs: { thinking_mode: 'auto' } },
      { alias: 'auto' },
      { header: 'auto' },
      { thinking: { type: 'adaptive' }, header: 'auto' },
    ] satisfies Said[]) {
      const { code, message } = refusal(said, { protocol: NO_AUTO });
      assert.equal(code, 'unsupported_value');
      assert.match(message, /asks for auto, which this model cannot do; it can do: think, fast\./);
    }
  });

  it('leaving the choice to a model without one means its default', () => {
    for (const said of [
      {},
      { thinking: { type: 'adaptive' } },
      { thinking: { type: 'auto' } },
      { thinking_budget: -1 },
    ] satisfies Said[]) {
      const options = resolve(said, { protocol: NO_AUTO });
      assert.deepEqual([options.requested, options.source], ['think', 'policy']);
    }
  });

  it('a budget of 0 needs a model that can answer without thinking', () => {
    const protocol = { ...NO_AUTO, modes: { think: {} } };
    assert.match(
      refusal({ thinking_budget: 0 }, { protocol }).message,
      /`thinking_budget` asks for fast/,
    );
  });

  it('a budget asks for thinking where the default is not to think', () => {
    const fast = { protocol: { ...NO_AUTO, defaultMode: 'fast' as const } };
    assert.equal(resolve({ thinking_budget: 30 }, fast).requested, 'think');
    assert.equal(resolve({ thinking_budget: 30 }, { policy: { mode: 'fast' } }).requested, 'auto');
    assert.equal(resolve({ thinking_budget: -1 }, { policy: { mode: 'fast' } }).requested, 'auto');
  });

  it('a profile the package lacks is refused with those there are', () => {
    for (const thinking_profile of ['lavish', 'constructor', '']) {
      const { code, message, param } = refusal({ thinking_profile }, { profiles: PROFILES });
      assert.deepEqual([code, param], ['unsupported_value', 'thinking_profile']);
      assert.match(message, /is not a profile of this model; it has: economy, thorough\.$/);
    }
    assert.match(refusal({ thinking_profile: 'economy' }).message, /it has: none\.$/);
  });

  it('bias, threshold and profile need a choice that can be measured', () => {
    for (const said of [
      { thinking_bias: 1 },
      { thinking_threshold: 0.5 },
      { thinking_profile: 'economy' },
    ]) {
      const { code, message, param } = refusal(said, { protocol: NO_AUTO, profiles: PROFILES });
      assert.equal(code, 'unsupported_value');
      assert.equal(param, Object.keys(said)[0]);
      assert.match(message, /protocol switched; this model can do: think, fast/);
    }
    const byDefault = refusal({ thinking_bias: 1 }, { policy: { mode: 'think' } });
    assert.match(byDefault.message, /none in think mode, the server's default/);
  });

  it("an extension needs the protocol's word", () => {
    const { code, message } = refusal({ thinking_extensions: 2 }, { protocol: NO_AUTO });
    assert.equal(code, 'unsupported_value');
    assert.match(message, /`thinking_extensions`.*protocol switched/);
    assert.equal(resolve({ thinking_extensions: 0 }, { protocol: NO_AUTO }).extensions, 0);
  });

  it("a protocol's own degrees are used, and the budget for what they do not name", () => {
    const protocol = { ...NO_AUTO, efforts: { low: {}, medium: {}, high: {} } };
    const rows = (['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const).map((level) => {
      const { effort, budget } = resolve({ reasoning_effort: level }, { protocol });
      return [effort, budget];
    });
    assert.deepEqual(rows, [
      ['low', 128],
      ['low', null],
      ['medium', null],
      ['high', null],
      ['high', 16_384],
      ['high', null],
    ]);
    assert.equal(
      resolve({ reasoning_effort: 'low', thinking_budget: 33 }, { protocol }).budget,
      33,
    );
  });
});

describe("the operator's policy", () => {
  it('sets the mode, the budget, the bias and the threshold of requests that ask for none', () => {
    const policy = { mode: 'think', budget: 99 } as const;
    assert.deepEqual(
      [
        resolve({}, { policy }).requested,
        resolve({}, { policy }).source,
        resolve({}, { policy }).budget,
      ],
      ['think', 'policy', 99],
    );
    assert.equal(resolve({ thinking_budget: -1 }, { policy: { budget: 99 } }).budget, null);
    assert.equal(resolve({ enable_thinking: false }, { policy: { budget: 99 } }).budget, null);
    assert.deepEqual(
      resolve({ thinking_bias: -2 }, { policy: { bias: 1, threshold: 0.3 }, loadBias: -4 })
        .decisionBias,
      {
        requestBias: -2,
        serverBias: 1,
        loadBias: -4,
        threshold: 0.3,
        thresholdSource: 'policy',
      },
    );
    const ofProfile = resolve(
      { thinking_profile: 'economy' },
      { policy: { threshold: 0.3 }, profiles: PROFILES },
    ).decisionBias;
    assert.deepEqual([ofProfile?.threshold, ofProfile?.thresholdSource], [0.8, 'request']);
    const { decisionBias } = resolve({ thinking_threshold: 0.8 }, { policy: { threshold: 0.3 } });
    assert.deepEqual([decisionBias?.threshold, decisionBias?.thresholdSource], [0.8, 'request']);
  });

  it('leans on nothing in a forced mode, and not at all when nobody asks', () => {
    const leaning = { policy: { bias: 3, threshold: 0.1 }, loadBias: -5 };
    assert.equal(resolve({ enable_thinking: true }, leaning).decisionBias, null);
    assert.equal(resolve({ enable_thinking: false }, leaning).decisionBias, null);
    assert.equal(resolve({}).decisionBias, null);
  });

  it('a lock refuses every other mode by the field that asks for it', () => {
    const policy = { mode: 'fast', lock: true } as const;
    for (const [said, field] of [
      [{ thinking_mode: 'think' }, 'thinking_mode'],
      [{ reasoning_effort: 'low' }, 'reasoning_effort'],
      [{ alias: 'auto' }, 'model'],
      [{ header: 'long' }, 'x-thinking-mode'],
      [{ thinking: { type: 'adaptive' } }, 'thinking.type'],
    ] as const) {
      const { code, param, message } = refusal(said, { policy });
      assert.deepEqual([code, param], ['thinking_locked', field]);
      assert.match(message, /answers in fast mode only/);
    }
    for (const said of [{}, { enable_thinking: false }, { thinking_budget: -1 }]) {
      const { requested, source } = resolve(said, { policy });
      assert.deepEqual([requested, source], ['fast', 'policy']);
    }
    const zero = refusal({ thinking_budget: 0 }, { policy: { mode: 'think', lock: true } });
    assert.deepEqual([zero.code, zero.param], ['thinking_locked', 'thinking_budget']);
    // A lock without a mode keeps to the protocol's own default.
    assert.equal(
      refusal({ enable_thinking: true }, { policy: { lock: true } }).code,
      'thinking_locked',
    );
  });

  it('has its own budgets for the levels', () => {
    const effortBudgets = { ...DEFAULT_THINKING_POLICY.effortBudgets, low: 7, high: null };
    assert.equal(resolve({ reasoning_effort: 'low' }, { policy: { effortBudgets } }).budget, 7);
    assert.equal(resolve({ reasoning_effort: 'high' }, { policy: { effortBudgets } }).budget, null);
  });

  it('is held against the model before anything is served', () => {
    const policy = DEFAULT_THINKING_POLICY;
    assert.equal(policyProblem(policy, NO_AUTO), null);
    assert.equal(policyProblem({ ...policy, mode: 'auto', bias: 1, threshold: 0.5 }, ALL), null);
    assert.match(
      policyProblem({ ...policy, mode: 'auto' }, NO_AUTO) ?? '',
      /--thinking auto.*switched.*think, fast/,
    );
    assert.match(policyProblem({ ...policy, bias: 1 }, NO_AUTO) ?? '', /--thinking-bias/);
    assert.match(policyProblem({ ...policy, threshold: 0 }, NO_AUTO) ?? '', /--thinking-threshold/);
  });
});

it("modes are listed in one order whatever the protocol's", () => {
  assert.deepEqual(availableModes({ modes: { fast: {}, auto: {} } }), ['auto', 'fast']);
});
