import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FinishEvent, GenerationRequest } from '../../../src/engine/generation.ts';
import { BLANK_LINE, bytesOf, CLOSE, EOS, idsOf } from '../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf, writes } from '../../helpers/engine-bench.ts';
import type { Script } from '../../helpers/scripted-runner.ts';

const THINKING = requestOf([1]).thinking;
const ANSWERS = {
  ...THINKING,
  requested: 'fast',
  source: 'request',
  start: 'answer-start',
} as const;
const [BANG = 0] = bytesOf('!');

interface Result {
  readonly finish: FinishEvent;
  readonly answer: string;
  readonly reasoning: string;
  readonly tokenIds: readonly number[];
}

async function run(script: Script, parts: Partial<GenerationRequest>): Promise<Result> {
  const bench = new EngineBench();
  const request = requestOf(promptOf(1, 5), parts);
  const finish = await bench.submit({ request, script });
  return {
    finish,
    answer: bench.text(request.id, 'answer'),
    reasoning: bench.text(request.id, 'reasoning'),
    tokenIds: bench.tokens(request.id).map(({ tokenId }) => tokenId),
  };
}

describe('stopTokenIds', () => {
  it('end the answer, and their text is left out', async () => {
    const script = writes(bytesOf('Yes! And more.'));
    const plain = await run(script, { thinking: ANSWERS });
    assert.equal(plain.answer, 'Yes! And more.');
    const stopped = await run(script, { thinking: ANSWERS, stopTokenIds: [BANG] });
    assert.equal(stopped.answer, 'Yes');
    assert.equal(stopped.finish.reason, 'stop');
    assert.equal(stopped.finish.stopString, null);
    assert.equal(stopped.finish.usage.completionTokens, 4);
    assert.equal(stopped.tokenIds.at(-1), BANG);
  });

  it('end the answer at its first token too', async () => {
    const script = writes([BLANK_LINE, CLOSE, BANG, 97]);
    const { finish, answer } = await run(script, { stopTokenIds: [BANG] });
    assert.deepEqual([finish.reason, answer], ['stop', '']);
  });

  it('are ordinary tokens in the thinking, unless stop strings apply there', async () => {
    const script = writes(idsOf('\nHm! Well.\n</think>\nYes! No.'));
    const { finish, answer, reasoning } = await run(script, { stopTokenIds: [BANG] });
    assert.deepEqual([reasoning, answer], ['Hm! Well.', 'Yes']);
    assert.equal(finish.thinkingEnd, 'natural');
    const everywhere = { ...THINKING, stopInThinking: true };
    const early = await run(script, { stopTokenIds: [BANG], thinking: everywhere });
    assert.deepEqual([early.reasoning, early.answer], ['Hm', '']);
    assert.deepEqual([early.finish.reason, early.finish.thinkingEnd], ['stop', 'stop']);
  });
});

describe('minTokens', () => {
  /** Wants to end the turn at once, wherever it may; else it writes `a`. */
  const ends: Script = (generated) => (generated.length < 2 ? 97 : EOS);

  it('keep the end of the turn from being sampled before the answer is long enough', async () => {
    const plain = await run(ends, { thinking: ANSWERS });
    assert.equal(plain.finish.usage.completionTokens, 3);
    for (const temperature of [0, 1]) {
      const sampling = { ...requestOf([1]).sampling, temperature, seed: 5 };
      const parts = { thinking: ANSWERS, minTokens: 9, sampling };
      const { finish, tokenIds } = await run(ends, parts);
      assert.equal(finish.reason, 'stop');
      assert.ok(!tokenIds.slice(0, 9).includes(EOS), `${tokenIds}`);
      assert.ok(tokenIds.length >= 10 && tokenIds.at(-1) === EOS, `${tokenIds}`);
    }
  });

  it('hold back stop tokens and stop strings too', async () => {
    const script = writes(bytesOf('a! b! c! d! e!'));
    const token = await run(script, { thinking: ANSWERS, minTokens: 4, stopTokenIds: [BANG] });
    assert.ok(!token.tokenIds.slice(0, 4).includes(BANG));
    assert.equal(token.tokenIds.length, 5);
    assert.equal(token.finish.reason, 'stop');
    const text = await run(script, { thinking: ANSWERS, minTokens: 4, stop: ['!'] });
    assert.deepEqual([text.answer, text.finish.stopString], ['a! b', '!']);
  });

  it('count only the answer: the thinking ends as usual', async () => {
    const thinks = idsOf('\nHm.\n</think>\nYes');
    const plain = await run(writes(thinks), {});
    const { finish, tokenIds } = await run(writes(thinks), { minTokens: 20 });
    assert.deepEqual(tokenIds.slice(0, thinks.length), thinks);
    assert.equal(finish.usage.reasoningTokens, plain.finish.usage.reasoningTokens);
    assert.equal(finish.usage.completionTokens - finish.usage.reasoningTokens, 21);
    assert.equal(finish.thinkingEnd, 'natural');
  });

  it('never exceed max_tokens', async () => {
    const { finish } = await run(ends, { thinking: ANSWERS, minTokens: 12, maxTokens: 12 });
    assert.deepEqual([finish.reason, finish.usage.completionTokens], ['length', 12]);
  });
});
