import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GenerationEvent, GenerationRequest } from '../../../../src/engine/generation.ts';
import {
  type ChatCompletion,
  chatCompletionSchema,
} from '../../../../src/server/api/openai-chat/response-schema.ts';
import { DEFAULT_THINKING_POLICY } from '../../../helpers/default-settings.ts';
import {
  FakeEngineClient,
  finishEvent,
  type ScriptOptions,
  scriptedEvents,
  untilAborted,
} from '../../../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../../../helpers/listening-app.ts';
import {
  buildTestApp,
  chatBody,
  postChat,
  TEST_MANIFEST,
  type TestAppOptions,
} from '../../../helpers/test-app.ts';

type Made = (request: GenerationRequest, place: number) => ScriptOptions;

/** Answers call `ID-k` with what `make` says of k. */
function calling(make: Made): FakeEngineClient {
  return new FakeEngineClient((request) =>
    scriptedEvents(request, make(request, Number(request.id.split('-').at(-1)))),
  );
}

/** With room for a strategy's own words, at one token per character. */
function roomy(engine: FakeEngineClient): FakeEngineClient {
  return Object.assign(engine, { limits: { slotCapacity: 2048, vocabSize: 300 } });
}

async function ask(strategy: object, options: TestAppOptions, fields: object = {}) {
  const built = await buildTestApp({ engine: roomy(new FakeEngineClient()), ...options });
  const reply = await postChat(built.app, { strategy, seed: 100, ...fields });
  return { ...built, reply, body: reply.json<ChatCompletion>() };
}

describe('A strategy in a request', () => {
  it('makes one choice with its report, and the usage of all calls', async () => {
    const engine = calling((_, place) => ({
      reasoning: [],
      answer: [['8', '9', '8.'][place] ?? ''],
    }));
    const { body, reply } = await ask({ type: 'majority_vote', k: 3 }, { engine });
    assert.equal(reply.statusCode, 200, reply.body);
    assert.ok(chatCompletionSchema.safeParse(body).success);
    const [choice] = body.choices;
    assert.equal(body.choices.length, 1);
    assert.equal(choice?.message.content, '8');
    assert.equal(choice?.finish_reason, 'stop');
    assert.deepEqual(choice?.strategy, {
      type: 'majority_vote',
      calls: 3,
      sequential_tokens: 1,
      total_tokens: 3,
      votes: [
        { answer: '8', count: 2 },
        { answer: '9', count: 1 },
      ],
    });
    // Three prompts of 5 tokens with 2 cached each.
    assert.equal(body.usage.prompt_tokens, 15);
    assert.equal(body.usage.prompt_tokens_details.cached_tokens, 6);
    assert.equal(body.usage.completion_tokens, 3);
  });

  it('makes each call with its own id and seed, over the same images', async () => {
    const { engine, formatter, body } = await ask(
      { type: 'self_refine', k: 2 },
      {},
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
              { type: 'text', text: 'What?' },
            ],
          },
        ],
      },
    );
    assert.deepEqual(
      engine.requests.map(({ id, sampling }) => [id, sampling.seed]),
      [0, 1, 2].map((place) => [`${body.id}-${place}`, 100 + place]),
    );
    // Loaded with the first prompt, handed on to all others.
    const [first, ...others] = formatter.calls;
    assert.equal(first?.images, undefined);
    for (const call of others) assert.equal(call.images, engine.requests[0]?.images);
  });

  it('adds its turns after those of the client', async () => {
    const { formatter } = await ask({ type: 'self_refine', k: 2 }, {});
    assert.deepEqual(
      formatter.calls.at(-1)?.messages.map(({ role }) => role),
      ['user', 'assistant', 'user'],
    );
  });

  it('makes one log line and one count in the metrics, with all calls', async () => {
    const { log, metrics, body } = await ask({ type: 'self_refine', k: 2 }, {});
    assert.equal(log.length, 1);
    assert.equal(log[0]?.strategy, 'self_refine');
    assert.equal(log[0]?.completion_id, body.id);
    assert.equal(log[0]?.generations.length, 3);
    assert.equal(log[0]?.tokens.prompt, body.usage.prompt_tokens);
    assert.equal(log[0]?.tokens.answer, 9);
    const exposed = await metrics.expose();
    assert.match(exposed, /strategy_requests_total\{type="self_refine"\} 1\n/);
    assert.match(exposed, /strategy_calls_total\{type="self_refine"\} 3\n/);
  });

  it('votes on JSON too, with every call constrained to it', async () => {
    const { engine, reply } = await ask(
      { type: 'majority_vote', k: 2 },
      {},
      { response_format: { type: 'json_object' } },
    );
    assert.equal(reply.statusCode, 200, reply.body);
    assert.ok(engine.requests.every(({ grammar }) => grammar !== null));
  });

  it('thinks only when direct answers differ', async () => {
    const agreeing = await ask({ type: 'fast_agree_else_think', k: 2 }, {});
    assert.equal(agreeing.body.choices[0]?.strategy?.agreed, true);
    assert.equal(agreeing.body.choices[0]?.thinking.mode, 'fast');
    assert.equal(agreeing.engine.requests.length, 2);
    const engine = calling((_, place) => ({ answer: [String(place)] }));
    const differing = await ask(
      { type: 'fast_agree_else_think', k: 2 },
      { engine },
      { thinking_budget: 30 },
    );
    assert.deepEqual(
      engine.requests.map(({ thinking }) => [thinking.requested, thinking.budget]),
      [
        ['fast', null],
        ['fast', null],
        ['think', 30],
      ],
    );
    assert.equal(differing.body.choices[0]?.strategy?.agreed, false);
    assert.equal(differing.body.choices[0]?.thinking.mode, 'think');
  });

  it('makes all calls on one engine', async () => {
    const engine = roomy(new FakeEngineClient());
    const { body } = await ask({ type: 'self_refine', k: 2 }, { engine });
    assert.deepEqual(
      engine.requests.map(({ group }) => group),
      [body.id, body.id, body.id],
    );
  });

  it('limits each call to max_tokens, or to the rest of the slot if that is less', async () => {
    const engine = roomy(new FakeEngineClient());
    await ask(
      { type: 'parallel_distill_refine', drafts: 2, workspace_tokens: 20 },
      { engine },
      { max_tokens: 60 },
    );
    assert.deepEqual(
      engine.requests.map(({ maxTokens }) => maxTokens),
      [60, 60, 20, 60],
    );
    const tight = await ask(
      { type: 'self_refine', k: 2 },
      { engine: roomy(new FakeEngineClient()) },
      { max_tokens: 2000 },
    );
    const [first, , last] = tight.engine.requests;
    assert.equal(first?.maxTokens, 2000);
    assert.equal(last?.maxTokens, 2048 - Number(last?.promptTokenIds.length));
    const small = calling(() => ({ answer: ['x'.repeat(200)] }));
    const full = await ask({ type: 'self_refine', k: 2 }, { engine: small });
    assert.equal(full.reply.statusCode, 400, 'the attempts alone fill the slot');
    assert.equal(full.reply.json().error.code, 'context_length_exceeded');
  });
});

describe('A strategy that interrupts the thinking', () => {
  const words = 'Time is limited, stop thinking and start answering.';

  it('early_exit shows the whole thought and the answer at every position', async () => {
    const engine = calling((request, place) => {
      const usage = finishEvent(request).usage;
      return {
        // One byte a token: what goes on is read from the tokens, its last space included.
        reasoning: place === 0 ? ['O', 'n', 'e', ' '] : ['two.'],
        answer: [place === 0 ? '1' : '2'],
        finish: {
          thinkingEnd: place === 0 ? 'budget' : 'natural',
          usage: { ...usage, completionTokens: 4, reasoningTokens: 3 },
        },
      };
    });
    const { body, formatter } = await ask(
      { type: 'early_exit', positions: [8, 24, 50] },
      { engine },
    );
    const [choice] = body.choices;
    assert.equal(choice?.message.reasoning_content, 'One two.');
    assert.equal(choice?.message.content, '2');
    assert.deepEqual(choice?.strategy?.exits, [
      { position: 8, answer: '1', confidence: null },
      { position: 11, answer: '2', confidence: null },
    ]);
    assert.equal(choice?.thinking.reasoning_tokens, 11);
    assert.equal(choice?.thinking.ended_by, 'natural');
    assert.deepEqual(
      engine.requests.map(({ thinking }) => thinking.budget),
      [8, 16],
    );
    const exit = (engine.requests[0]?.thinking.exit ?? []).map((id) =>
      id === 299 ? '</think>' : String.fromCharCode(id),
    );
    assert.equal(exit.join(''), `\n${words}\n</think>\n\n`);
    assert.equal(formatter.calls.at(-1)?.continueFinal, true);
    assert.equal(formatter.calls.at(-1)?.messages.at(-1)?.reasoning, 'One ');
  });

  it('confidence_exit measures a trial by its most likely tokens', async () => {
    const engine = calling((_, place) =>
      place === 0
        ? {
            reasoning: ['It is 8. '],
            answer: [],
            finish: { stopString: 'Wait', thinkingEnd: 'stop' },
          }
        : { reasoning: [], answer: ['8'] },
    );
    const strategy = { type: 'confidence_exit', threshold: 0.5, transitions: ['Wait'] };
    const { body } = await ask(strategy, { engine });
    const [choice] = body.choices;
    assert.equal(choice?.message.content, '8');
    assert.equal(choice?.message.reasoning_content, `It is 8.\n\n${words}`);
    assert.equal(choice?.thinking.mode, 'think');
    const [exit] = choice?.strategy?.exits ?? [];
    // Every token of the fake engine has the log-probability -0.5.
    assert.ok(Math.abs((exit?.confidence ?? 0) - Math.exp(-0.5)) < 1e-12);
    const [piece, trial] = engine.requests;
    assert.deepEqual([piece?.stop, piece?.thinking.stopInThinking], [['Wait'], true]);
    assert.deepEqual([trial?.topLogprobs, trial?.sampling.temperature], [1, 0]);
    assert.deepEqual([trial?.stop, trial?.maxTokens], [[], 32]);
  });
});

const VOTE = { type: 'majority_vote', k: 2 };
const FAST_THINK = { type: 'fast_agree_else_think', k: 2 };
const PDR = { type: 'parallel_distill_refine', drafts: 2 };
const EXIT = { type: 'early_exit', positions: [8] };
const DEER = { type: 'confidence_exit' };

const REFUSED: readonly (readonly [object, Record<string, unknown>, string])[] = [
  [VOTE, { stream: true }, 'stream'],
  [{ type: 'rethink' }, { stream: true }, 'stream'],
  [VOTE, { n: 2 }, 'n'],
  [VOTE, { logprobs: true }, 'logprobs'],
  [VOTE, { continue_final_message: true }, 'continue_final_message'],
  [PDR, { response_format: { type: 'json_object' } }, 'response_format'],
  [VOTE, { temperature: 0 }, 'temperature'],
  [FAST_THINK, { temperature: 0 }, 'temperature'],
  [{ type: 'self_refine', k: 2 }, { temperature: 0 }, 'temperature'],
  [PDR, { temperature: 0 }, 'temperature'],
  [FAST_THINK, { thinking_mode: 'auto' }, 'thinking_mode'],
  [FAST_THINK, { model: 'test-model:think' }, 'model'],
  [FAST_THINK, { thinking_bias: 1 }, 'thinking_bias'],
  [{ type: 'rethink' }, { enable_thinking: false }, 'enable_thinking'],
  [{ type: 'rethink' }, { reasoning_effort: 'low' }, 'reasoning_effort'],
  [EXIT, { thinking_budget: 20 }, 'thinking_budget'],
  [EXIT, { thinking_extensions: 1 }, 'thinking_extensions'],
  [DEER, { stop: 'x' }, 'stop'],
  [DEER, { stop_in_thinking: true }, 'stop_in_thinking'],
  [DEER, { thinking_threshold: 0.4 }, 'thinking_threshold'],
  [{ ...VOTE, k: 9 }, {}, 'strategy.k'],
  [{ ...VOTE, k: 1 }, {}, 'strategy.k'],
  [{ ...PDR, drafts: 20 }, {}, 'strategy.drafts'],
  [{ ...PDR, rounds: 9 }, {}, 'strategy.rounds'],
  [{ ...EXIT, positions: [8, 8] }, {}, 'strategy.positions'],
  [{ ...DEER, threshold: 1.5 }, {}, 'strategy.threshold'],
  [{ ...VOTE, drafts: 3 }, {}, 'strategy.drafts'],
  [{ type: 'guess' }, {}, 'strategy.type'],
];

describe('A strategy rejects', () => {
  for (const [strategy, fields, param] of REFUSED) {
    it(`${JSON.stringify(strategy)} with ${JSON.stringify(fields)}`, async () => {
      const { reply, engine } = await ask(strategy, {}, fields);
      assert.equal(reply.statusCode, 400, reply.body);
      assert.equal(reply.json().error.param, param);
      assert.match(reply.json().error.message, new RegExp(`\`${param.replace('.', '\\.')}\``));
      assert.equal(engine.requests.length, 0);
    });
  }

  it('a model without the mode it needs, and a server that locks another mode', async () => {
    const { think } = TEST_MANIFEST.thinking.modes;
    const thinking = { ...TEST_MANIFEST.thinking, modes: { think }, defaultMode: 'think' as const };
    const lacking = await ask(FAST_THINK, { manifest: { thinking } });
    assert.equal(lacking.reply.statusCode, 400);
    assert.match(
      lacking.reply.json().error.message,
      /`strategy` .* needs the mode fast.*: think\./,
    );
    const policy = { ...DEFAULT_THINKING_POLICY, mode: 'fast' as const, lock: true };
    const locked = await ask(EXIT, { settings: { thinking: policy } });
    assert.equal(locked.reply.json().error.code, 'thinking_locked');
    assert.equal(locked.reply.json().error.param, 'strategy');
  });
});

describe('The calls of a strategy', () => {
  it('all end when one of them fails, and the reply is the error', async () => {
    const engine = new FakeEngineClient(async function* (request, signal) {
      if (!request.id.endsWith('-1')) return yield* untilAborted(request, signal);
      yield finishEvent(request, { reason: 'error', message: 'The model failed.' });
    });
    const { reply } = await ask({ ...VOTE, k: 3 }, { engine });
    assert.equal(reply.statusCode, 500);
    assert.equal(reply.json().error.message, 'The model failed.');
    await until(() => engine.numEnded === 3, 'the end of the others');
  });

  it('all end when the client disconnects', async (context) => {
    const engine = new FakeEngineClient((request, signal) => untilAborted(request, signal));
    const { url, log } = await listeningApp(context, { engine });
    const leave = new AbortController();
    const reply = fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chatBody({ strategy: { ...VOTE, k: 3 } })),
      signal: leave.signal,
    });
    await until(() => engine.requests.length === 3, 'the calls');
    leave.abort();
    await assert.rejects(reply);
    await until(() => engine.numEnded === 3, 'the end of all calls');
    await until(() => log.length === 1, 'the log line');
    assert.equal(log[0]?.status, 499);
  });

  it('are addressed together by answer now', async (context) => {
    const engine = new FakeEngineClient();
    engine.script = async function* (request): AsyncGenerator<GenerationEvent> {
      await until(() => engine.answeredNow.includes(request.id), 'the wish for an answer');
      yield* scriptedEvents(request);
    };
    const { url } = await listeningApp(context, { engine });
    const post = (path: string, body: object) =>
      fetch(`${url}/v1/chat/completions${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const reply = post('', chatBody({ strategy: VOTE }));
    await until(() => engine.requests.length === 2, 'the calls');
    const id = engine.lastRequest.id.replace(/-\d$/, '');
    assert.equal((await post('/control', { id, action: 'answer_now' })).status, 200);
    assert.equal((await reply).status, 200);
    assert.equal(engine.answeredNow.length, 2);
  });
});
