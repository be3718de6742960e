import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ChatCompletion } from '../../src/server/api/openai-chat/response-schema.ts';
import type { RunningServer } from '../../src/server/main.ts';
import {
  type HeldoutQuestion,
  post,
  readHeldout,
  requestBody,
  startShipped,
} from '../helpers/shipped-server.ts';

describe('Strategies on the shipped model', () => {
  let server: RunningServer;
  let sum: HeldoutQuestion;
  let look: HeldoutQuestion;

  before(async () => {
    server = await startShipped({ engine: { maxNumSeqs: 8 } });
    const heldout = await readHeldout();
    const [first] = heldout.filter(({ task }) => task === 'sum_numbers');
    const [second] = heldout.filter(({ task }) => task === 'read_number');
    assert.ok(first && second);
    [sum, look] = [first, second];
  });
  after(() => server.close());

  async function ask(question: HeldoutQuestion, strategy: object, extra: object = {}) {
    const body = await requestBody(question, { strategy, seed: 3, ...extra });
    const reply = await post(server, body);
    const completion = (await reply.json()) as ChatCompletion;
    assert.equal(reply.status, 200, JSON.stringify(completion));
    const [choice] = completion.choices;
    assert.ok(choice?.strategy);
    return { ...completion, choice, report: choice.strategy };
  }

  it('majority_vote computes the image once and returns the answer with most votes', async () => {
    const { choice, report, usage } = await ask(
      sum,
      { type: 'majority_vote', k: 5 },
      { temperature: 0.8 },
    );
    assert.equal(report.calls, 5);
    assert.equal(
      report.votes?.reduce((total, { count }) => total + count, 0),
      5,
    );
    assert.match(choice.message.content ?? '', new RegExp(`\\b${sum.answer}\\b`));
    const prompt = usage.prompt_tokens / 5;
    assert.equal(usage.prompt_tokens_details.cached_tokens, 4 * (prompt - 1));
    assert.equal(usage.completion_tokens, report.total_tokens);
  });

  it('fast_agree_else_think answers directly where the answers agree and thinks where they differ', async () => {
    const easy = await ask(look, { type: 'fast_agree_else_think', k: 3 }, { temperature: 0.1 });
    assert.equal(easy.report.agreed, true);
    assert.equal(easy.usage.completion_tokens_details.reasoning_tokens, 0);
    const hard = await ask(sum, { type: 'fast_agree_else_think', k: 4 }, { temperature: 1.5 });
    assert.equal(hard.report.agreed, false);
    assert.equal(hard.report.calls, 5);
    assert.equal(hard.choice.thinking.mode, 'think');
  });

  it('self_refine writes candidates and then makes one call that sees them', async () => {
    const { report, usage } = await ask(look, { type: 'self_refine', k: 2 }, { temperature: 0.5 });
    assert.equal(report.calls, 3);
    assert.equal(report.candidates?.length, 2);
    assert.equal(usage.completion_tokens, report.total_tokens);
    assert.ok(report.sequential_tokens <= report.total_tokens);
  });

  it('parallel_distill_refine writes drafts, then notes of bounded length, then the answer', async () => {
    const { report } = await ask(
      look,
      { type: 'parallel_distill_refine', drafts: 2, rounds: 2, workspace_tokens: 16 },
      { temperature: 0.5, max_tokens: 48 },
    );
    assert.equal(report.calls, 7);
    assert.equal(typeof report.workspace, 'string');
  });

  it('rethink answers first and then thinks about that answer', async () => {
    const { choice, report } = await ask(look, { type: 'rethink' }, { max_tokens: 96 });
    assert.equal(report.calls, 2);
    assert.match(report.candidates?.[0] ?? '', new RegExp(look.answer));
    assert.equal(choice.thinking.mode, 'think');
  });

  it('early_exit tries an answer at every position of one thought, each from the thinking so far', async () => {
    const own = await requestBody(sum, { thinking_mode: 'think' });
    const whole = (await (await post(server, own)).json()) as ChatCompletion;
    const thought = whole.choices[0]?.message.reasoning_content ?? '';
    const { choice, report, usage } = await ask(sum, {
      type: 'early_exit',
      positions: [6, 14, 400],
      exit_words: '',
    });
    assert.deepEqual(
      report.exits?.slice(0, 2).map(({ position }) => position),
      [6, 14],
    );
    assert.equal(report.calls, 3);
    // Greedy, so that the thought that was interrupted is the one that was not.
    assert.equal(choice.message.reasoning_content?.trim(), thought.trim());
    assert.equal(choice.message.content, whole.choices[0]?.message.content);
    assert.equal(choice.thinking.ended_by, 'natural');
    // Every call goes on from the cache of the one before.
    const { prompt_tokens, prompt_tokens_details } = usage;
    assert.ok(prompt_tokens_details.cached_tokens > prompt_tokens * 0.9);
  });

  it('confidence_exit stops thinking as soon as a trial answer is confident, and not before', async () => {
    const strategy = { type: 'confidence_exit', transitions: ['\n'], exit_words: '' };
    const never = await ask(sum, { ...strategy, threshold: 1 });
    const always = await ask(sum, { ...strategy, threshold: 0.0001 });
    assert.ok((never.report.exits?.length ?? 0) > 1);
    for (const { confidence } of never.report.exits ?? []) {
      assert.ok(confidence !== null && confidence > 0 && confidence < 1);
    }
    assert.equal(always.report.exits?.length, 1);
    assert.equal(always.choice.thinking.ended_by, 'client');
    assert.ok(always.choice.thinking.reasoning_tokens < never.choice.thinking.reasoning_tokens);
    assert.match(never.choice.message.content ?? '', new RegExp(`\\b${sum.answer}\\b`));
  });
});
