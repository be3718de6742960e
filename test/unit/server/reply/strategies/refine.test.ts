import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  parallelDistillRefine,
  rethink,
  selfRefine,
} from '../../../../../src/server/reply/strategies/refine.ts';
import { costOf } from '../../../../../src/server/reply/strategies/strategy.ts';
import { ScriptedCalls } from './scripted-calls.ts';

describe('self_refine', () => {
  it('shows one more call all candidates, without their thinking', async () => {
    const calls = new ScriptedCalls(
      { text: 'It is 7.\n', reasoning: 'secret' },
      { text: '8', completionTokens: 30 },
      { text: 'It is 9.', completionTokens: 5 },
    );
    const outcome = await selfRefine(calls.generate, { k: 2 });
    assert.equal(outcome.chosen.text, 'It is 9.');
    assert.deepEqual(outcome.candidates, ['It is 7.\n', '8']);
    assert.deepEqual(costOf(outcome.stages), { calls: 3, sequentialTokens: 35, totalTokens: 45 });
    const [, , refine] = calls.variants;
    assert.equal(refine?.sample, 2, 'no seed is drawn from twice');
    assert.equal(refine?.mode, undefined, 'the mode stays the caller’s');
    const [shown, task] = refine?.turns ?? [];
    assert.deepEqual(shown, {
      role: 'assistant',
      text: 'Attempt 1:\nIt is 7.\n\nAttempt 2:\n8',
    });
    assert.equal(task?.role, 'user');
    assert.match(task?.text ?? '', /may be wrong, even all/);
  });
});

describe('rethink', () => {
  it('has the model think about its own first answer', async () => {
    const calls = new ScriptedCalls('7', '8');
    const outcome = await rethink(calls.generate);
    assert.equal(outcome.chosen.text, '8');
    assert.deepEqual(outcome.candidates, ['7']);
    assert.deepEqual(calls.variants[0], {});
    assert.equal(calls.variants[1]?.mode, 'think');
    assert.deepEqual(calls.variants[1]?.turns?.[0], { role: 'assistant', text: '7' });
    assert.equal(costOf(outcome.stages).sequentialTokens, 20);
  });
});

describe('parallel_distill_refine', () => {
  const options = { drafts: 2, rounds: 2, workspaceTokens: 64 };

  it('passes only the notes from round to round, and answers from the last notes', async () => {
    const calls = new ScriptedCalls('a', 'b', 'notes 1', 'c', 'd', 'notes 2', 'final');
    const outcome = await parallelDistillRefine(calls.generate, options);
    assert.equal(outcome.chosen.text, 'final');
    assert.equal(outcome.workspace, 'notes 2');
    const turns = calls.variants.map((variant) => (variant.turns ?? []).map(({ text }) => text));
    assert.deepEqual(turns[0], []);
    assert.match(turns[2]?.[0] ?? '', /^Attempt 1:\na\n\nAttempt 2:\nb$/);
    assert.equal(calls.variants[2]?.maxTokens, 64);
    assert.equal(turns[3]?.[0], 'Notes:\nnotes 1');
    assert.equal(turns[6]?.[0], 'Notes:\nnotes 2');
    assert.doesNotMatch(turns.slice(5).flat().join(), /Attempt 1:\na\b/);
  });

  it('draws each draft of all rounds with its own seed', async () => {
    const calls = new ScriptedCalls('a', 'b', 'n', 'c', 'd', 'n', 'final');
    await parallelDistillRefine(calls.generate, options);
    const drafts = [0, 1, 3, 4].map((call) => calls.variants[call]?.sample);
    assert.deepEqual(drafts, [0, 1, 2, 3]);
  });

  it('counts the longest draft of a round as sequential and all drafts in total', async () => {
    const calls = new ScriptedCalls(
      { text: 'a', completionTokens: 50 },
      { text: 'b', completionTokens: 20 },
      { text: 'n', completionTokens: 8 },
      { text: 'final', completionTokens: 4 },
    );
    const { stages } = await parallelDistillRefine(calls.generate, { ...options, rounds: 1 });
    assert.deepEqual(costOf(stages), { calls: 4, sequentialTokens: 62, totalTokens: 82 });
    assert.equal(calls.mostAtOnce, 2);
  });

  it('starts without notes when they are empty', async () => {
    const calls = new ScriptedCalls('a', 'b', ' ', 'final');
    await parallelDistillRefine(calls.generate, { ...options, rounds: 1 });
    assert.deepEqual(calls.variants[3]?.turns, []);
  });
});
