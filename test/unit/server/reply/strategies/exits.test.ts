import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  confidenceExit,
  EXIT_WORDS,
  earlyExit,
} from '../../../../../src/server/reply/strategies/exits.ts';
import { costOf } from '../../../../../src/server/reply/strategies/strategy.ts';
import { ScriptedCalls } from './scripted-calls.ts';

/** A piece of thinking that its budget ended. */
const cut = (reasoning: string, text: string, reasoningTokens: number) => ({
  text,
  reasoning,
  reasoningTokens,
  completionTokens: reasoningTokens + 2,
  thinkingEnd: 'budget' as const,
});

describe('early_exit', () => {
  it('answers at every position and continues the thought unchanged', async () => {
    const calls = new ScriptedCalls(
      cut('One, ', '1', 16),
      cut('two, ', '2', 20),
      cut('three.', '3', 40),
    );
    const outcome = await earlyExit(calls.generate, {
      positions: [4, 12, 32],
      exitWords: EXIT_WORDS,
    });
    assert.equal(outcome.chosen.text, '3');
    assert.deepEqual(outcome.exits, [
      { position: 4, answer: '1', confidence: null },
      { position: 12, answer: '2', confidence: null },
      { position: 32, answer: '3', confidence: null },
    ]);
    assert.deepEqual(
      calls.variants.map(({ budget }) => budget),
      [4, 8, 20],
    );
    assert.deepEqual(
      calls.variants.map(({ thought }) => thought),
      [undefined, { text: 'One, ', isClosed: false }, { text: 'One, two, ', isClosed: false }],
    );
    for (const { mode, exitWords } of calls.variants) {
      assert.equal(mode, 'think');
      assert.equal(exitWords, EXIT_WORDS);
    }
    assert.deepEqual(outcome.thought, { before: 'One, two, ', tokens: 32, endedBy: 'budget' });
    assert.equal(costOf(outcome.stages).sequentialTokens, 18 + 22 + 42);
  });

  it('ends with the thought when it ends before the last position', async () => {
    const calls = new ScriptedCalls(cut('One, ', '1', 16), {
      text: 'done',
      reasoning: 'two.',
      reasoningTokens: 3,
      thinkingEnd: 'natural',
    });
    const outcome = await earlyExit(calls.generate, {
      positions: [4, 12, 32],
      exitWords: EXIT_WORDS,
    });
    assert.equal(outcome.chosen.text, 'done');
    assert.deepEqual(
      outcome.exits?.map(({ position, answer }) => [position, answer]),
      [
        [4, '1'],
        [7, 'done'],
      ],
    );
    assert.equal(outcome.thought?.endedBy, 'natural');
  });
});

describe('Exits without exit words', () => {
  it('leave the exit text to the protocol, and the thought unchanged', async () => {
    const early = new ScriptedCalls(cut('One, ', '1', 4), 'done');
    await earlyExit(early.generate, { positions: [4, 12], exitWords: '' });
    assert.equal(early.variants[0]?.exitWords, '');
    assert.deepEqual(early.variants[1]?.thought, { text: 'One, ', isClosed: false });
    const piece = { text: '', reasoning: 'a ', stopString: 'Wait', thinkingEnd: 'stop' as const };
    const sure = new ScriptedCalls(piece, { text: 'b', confidence: 0.99 });
    const options = { threshold: 0.9, transitions: ['Wait'], maxTrials: 1, trialTokens: 8 };
    await confidenceExit(sure.generate, { ...options, exitWords: '', budget: null });
    assert.deepEqual(sure.variants[1]?.thought, { text: 'a ', isClosed: true });
  });
});

describe('confidence_exit', () => {
  const options = {
    threshold: 0.9,
    transitions: ['Wait'],
    exitWords: EXIT_WORDS,
    maxTrials: 2,
    trialTokens: 8,
    budget: null,
  };
  const piece = (reasoning: string, reasoningTokens = 5) => ({
    text: '',
    reasoning,
    reasoningTokens,
    stopString: 'Wait',
    thinkingEnd: 'stop' as const,
  });

  it('tries an answer at every transition and ends the thinking when it is sure', async () => {
    const calls = new ScriptedCalls(
      piece('7? '),
      { text: '7', confidence: 0.4, completionTokens: 2 },
      piece(', it is 8. '),
      { text: '8', confidence: 0.95, completionTokens: 2 },
    );
    const { chosen, exits, thought } = await confidenceExit(calls.generate, options);
    assert.equal(chosen.text, '8');
    assert.deepEqual(exits, [
      { position: 5, answer: '7', confidence: 0.4 },
      { position: 10, answer: '8', confidence: 0.95 },
    ]);
    const [first, trial, second] = calls.variants;
    assert.deepEqual(first, { mode: 'think', stopThinkingAt: ['Wait'] });
    assert.deepEqual(trial, {
      thought: { text: `7?\n\n${EXIT_WORDS}`, isClosed: true },
      isTrial: true,
      maxTokens: 8,
    });
    // The trial is thrown away; the word the model was about to write is kept.
    assert.deepEqual(second?.thought, { text: '7? Wait', isClosed: false });
    assert.equal(thought?.before, `7? Wait, it is 8.\n\n${EXIT_WORDS}`);
    assert.equal(thought?.endedBy, 'client');
    assert.equal(thought?.tokens, 10);
  });

  it('completes the answer when the trial was cut off', async () => {
    const calls = new ScriptedCalls(
      piece('It is 8. '),
      { text: 'The ans', confidence: 0.99, isComplete: false },
      'The answer is 8.',
    );
    const { chosen } = await confidenceExit(calls.generate, options);
    assert.equal(chosen.text, 'The answer is 8.');
    assert.equal(calls.variants[2]?.isTrial, undefined);
  });

  it('lets an unsure model think to its end after the last trial', async () => {
    const unsure = { text: '?', confidence: 0.1 };
    const calls = new ScriptedCalls(piece('a '), unsure, piece(' b '), unsure, {
      text: 'sure',
      reasoning: ' c',
      reasoningTokens: 2,
      thinkingEnd: 'natural',
    });
    const { chosen, exits, thought } = await confidenceExit(calls.generate, options);
    assert.equal(chosen.text, 'sure');
    assert.equal(exits?.length, 2);
    assert.deepEqual(calls.variants[4]?.stopThinkingAt, []);
    assert.deepEqual(thought, { before: 'a Wait b Wait', tokens: 12, endedBy: 'natural' });
  });

  it('keeps the sum of all pieces within the budget', async () => {
    const unsure = { text: '?', confidence: 0.1 };
    const calls = new ScriptedCalls(piece('a', 6), unsure, {
      text: 'end',
      reasoning: 'b',
      reasoningTokens: 4,
      thinkingEnd: 'budget',
    });
    await confidenceExit(calls.generate, { ...options, budget: 10 });
    assert.equal(calls.variants[0]?.budget, 10);
    assert.equal(calls.variants[2]?.budget, 4);
  });

  it('answers again when a transition word cut the answer short', async () => {
    const calls = new ScriptedCalls(
      {
        text: 'Please ',
        reasoning: 'Short.',
        reasoningTokens: 3,
        stopString: 'Wait',
        thinkingEnd: 'natural',
      },
      'Please Wait for it.',
    );
    const { chosen, thought } = await confidenceExit(calls.generate, options);
    assert.equal(chosen.text, 'Please Wait for it.');
    assert.deepEqual(calls.variants[1]?.thought, { text: 'Short.', isClosed: true });
    assert.deepEqual(thought, { before: 'Short.', tokens: 3, endedBy: 'natural' });
  });

  it('does not accept an empty trial', async () => {
    const calls = new ScriptedCalls(piece('a'), { text: '', confidence: null }, 'b');
    assert.equal((await confidenceExit(calls.generate, options)).chosen.text, 'b');
  });
});
