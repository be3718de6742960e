import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RunningServer } from '../../src/server/main.ts';
import { ask, readHeldout, requestBody, startShipped } from '../helpers/shipped-server.ts';

describe('the shipped model with speculative decoding', () => {
  let ahead: RunningServer;
  let plain: RunningServer;

  before(async () => {
    [ahead, plain] = await Promise.all([
      startShipped({ engine: { threads: 1 } }),
      startShipped({ engine: { threads: 1, speculativeDecoding: false } }),
    ]);
  });
  after(() => Promise.all([ahead.close(), plain.close()]));

  async function metric(server: RunningServer, name: string): Promise<number> {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return Number(new RegExp(`^${name}\\S* (\\S+)$`, 'm').exec(text)?.[1]);
  }

  test('the shipped model says the same with and without looking ahead', async () => {
    const questions = await readHeldout();
    const kinds = ['perception', 'multi-step', 'out-of-scope', 'text'];
    const picked = kinds.flatMap((kind) =>
      questions.filter((one) => one.kind === kind).slice(0, 3),
    );
    for (const [index, question] of picked.entries()) {
      const extra = {
        thinking_mode: ['auto', 'think', 'fast'][index % 3],
        temperature: index % 2,
        seed: 7,
        logprobs: true,
        top_logprobs: 2,
        max_tokens: 160,
        ...(index % 3 === 1 && { thinking_budget: 24 }),
      };
      const body = await requestBody(question, extra);
      const [one, other] = [await ask(ahead, body), await ask(plain, body)];
      const [left, right] = [one.choices[0], other.choices[0]];
      assert.equal(left.message.content, right.message.content);
      assert.equal(left.message.reasoning_content, right.message.reasoning_content);
      assert.equal(left.finish_reason, right.finish_reason);
      assert.equal(left.thinking.mode, right.thinking.mode);
      assert.equal(one.usage.completion_tokens, other.usage.completion_tokens);
      for (const side of ['content', 'reasoning_content'] as const) {
        const pairs = left.logprobs?.[side].map((entry, at) => [entry, right.logprobs?.[side][at]]);
        for (const [mine, theirs] of pairs ?? []) {
          assert.equal(mine?.token, theirs?.token);
          assert.ok(Math.abs((mine?.logprob ?? 0) - (theirs?.logprob ?? 1)) < 1e-3);
        }
      }
    }
    assert.ok((await metric(ahead, 'thinkgate_spec_decode_num_draft_tokens_total')) > 0);
    assert.equal(await metric(plain, 'thinkgate_spec_decode_num_draft_tokens_total'), 0);
  });
});
