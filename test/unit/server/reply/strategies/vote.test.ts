import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { costOf } from '../../../../../src/server/reply/strategies/strategy.ts';
import {
  fastAgreeElseThink,
  majorityVote,
  normaliseAnswer,
} from '../../../../../src/server/reply/strategies/vote.ts';
import { ScriptedCalls } from './scripted-calls.ts';

describe('Answers are equal when they differ only', () => {
  for (const [what, one, other] of [
    ['in case', 'Forty-Two', 'forty-two'],
    ['in white space', ' 4  2\n', '4 2'],
    ['in closing punctuation', 'It is 42.', 'It is 42 !'],
    ['in width', '４２', '42'],
    ['in ligatures', 'ﬁve', 'five'],
  ] as const) {
    it(what, () => assert.equal(normaliseAnswer(one), normaliseAnswer(other)));
  }

  it('but not when a word, a number or a sign differs', () => {
    const texts = ['42', '-42', '4.2', '42%', '43', 'not 42'];
    assert.equal(new Set(texts.map(normaliseAnswer)).size, texts.length);
  });
});

describe('majority_vote', () => {
  it('chooses the shortest reply of the most frequent answer, and runs all samples at once', async () => {
    const calls = new ScriptedCalls(
      { text: '7', completionTokens: 3 },
      { text: 'Eight.', completionTokens: 9 },
      { text: 'eight', completionTokens: 5 },
    );
    const { chosen, votes, stages } = await majorityVote(calls.generate, { k: 3 });
    assert.equal(chosen.text, 'eight');
    assert.deepEqual(votes, [
      { answer: 'eight', count: 2 },
      { answer: '7', count: 1 },
    ]);
    assert.deepEqual(calls.variants, [{ sample: 0 }, { sample: 1 }, { sample: 2 }]);
    assert.equal(calls.mostAtOnce, 3);
    assert.deepEqual(costOf(stages), { calls: 3, sequentialTokens: 9, totalTokens: 17 });
  });

  it('breaks a tie by the fewest tokens in total', async () => {
    const calls = new ScriptedCalls(
      { text: 'long', completionTokens: 4 },
      { text: 'long', completionTokens: 40 },
      { text: 'short', completionTokens: 20 },
      { text: 'short', completionTokens: 21 },
    );
    const { chosen, votes } = await majorityVote(calls.generate, { k: 4 });
    assert.equal(chosen.text, 'short');
    assert.equal(votes?.[0]?.answer, 'short');
  });

  it('counts empty answers only when there are no others', async () => {
    const some = new ScriptedCalls('', ' \n', 'yes');
    const voted = await majorityVote(some.generate, { k: 3 });
    assert.equal(voted.chosen.text, 'yes');
    assert.deepEqual(voted.votes, [{ answer: 'yes', count: 1 }]);
    const none = new ScriptedCalls('', ' ');
    const empty = await majorityVote(none.generate, { k: 2 });
    assert.deepEqual(empty.votes, [{ answer: '', count: 2 }]);
  });

  it('fails when a call fails', async () => {
    const calls = new ScriptedCalls('one');
    await assert.rejects(majorityVote(calls.generate, { k: 2 }), /not in the script/);
  });
});

describe('fast_agree_else_think', () => {
  it('answers directly when all direct answers agree', async () => {
    const calls = new ScriptedCalls('4', '4.', ' 4');
    const { chosen, agreed } = await fastAgreeElseThink(calls.generate, { k: 3 });
    assert.equal(agreed, true);
    assert.equal(chosen.text, '4');
    assert.deepEqual(
      calls.variants.map(({ mode }) => mode),
      ['fast', 'fast', 'fast'],
    );
  });

  it('thinks once when an answer differs or is missing, or all are empty', async () => {
    for (const direct of [
      ['4', '4', '5'],
      ['4', '4', ''],
      ['', '', ''],
    ]) {
      const calls = new ScriptedCalls(...direct, { text: 'thought', completionTokens: 100 });
      const { chosen, agreed, stages } = await fastAgreeElseThink(calls.generate, { k: 3 });
      assert.equal(agreed, false);
      assert.equal(chosen.text, 'thought');
      assert.equal(calls.variants.at(-1)?.mode, 'think');
      assert.deepEqual(costOf(stages), { calls: 4, sequentialTokens: 110, totalTokens: 130 });
    }
  });
});
