import assert from 'node:assert/strict';
import { it } from 'node:test';
import { summarize } from '../../../src/evaluation/report/evaluation-report.ts';
import { evaluationTable } from '../../../src/evaluation/report/evaluation-table.ts';
import { scoreOf } from '../../../src/evaluation/report/scores.ts';
import { modeScores, question, result } from '../../helpers/evaluation-fixtures.ts';

const FAST = modeScores('fast', [
  { id: 'a', isRight: true, tokens: 4, category: 'easy' },
  { id: 'b', isRight: false, tokens: 6, category: 'hard' },
  { id: 'c', isRight: true, tokens: 5, category: 'hard' },
]);
const AUTO = modeScores('auto', [
  { id: 'a', isRight: true, tokens: 4, category: 'easy', pThink: 0.1 },
  {
    id: 'b',
    isRight: true,
    tokens: 30,
    category: 'hard',
    pThink: 0.9,
    hasThought: true,
    reasoningTokens: 22,
  },
]);

it('the summary counts by mode and category', () => {
  const { modes, pThink } = summarize([FAST, AUTO, { mode: 'think', scores: [] }], 1);
  assert.deepEqual(
    modes.map(({ mode }) => mode),
    ['fast', 'auto'],
  );
  const [fast, auto] = modes;
  assert.equal(fast?.accuracy.value, 2 / 3);
  assert.equal(fast?.tokens.all.mean, 5);
  assert.deepEqual(
    [fast?.categories['hard']?.numQuestions, fast?.categories['hard']?.accuracy.value],
    [2, 0.5],
  );
  assert.deepEqual(
    [auto?.thinkingRate?.value, auto?.tokens.thinking.mean, auto?.tokens.answer.mean],
    [0.5, 11, 6],
  );
  assert.deepEqual(auto?.categories['easy']?.thinkingRate?.value, 0);
  assert.deepEqual(pThink, [0.1, 0.9]);
});

it('modes are compared on the questions that both answered', () => {
  const [difference] = summarize([FAST, AUTO], 1).differences;
  assert.deepEqual(
    [
      difference?.numQuestions,
      difference?.accuracy.value,
      difference?.tokens.value,
      difference?.onlyFrom,
      difference?.onlyTo,
    ],
    [2, 0.5, 12, 0, 1],
  );
});

it('the table has a row for every mode, pair and category', () => {
  const table = evaluationTable(summarize([FAST, AUTO], 1));
  assert.match(table, /^fast +3 +66\.7 % .*5\.0 +0\.0 +5\.0/m);
  assert.match(table, /^auto +2 +100\.0 %/m);
  assert.match(table, /^fast → auto +2 +\+50\.0/m);
  assert.match(table, /^hard +2 +50\.0 %, 5\.5, 0\.0 % +100\.0 %, 30\.0, 100\.0 %$/m);
});

it('a reply of another server counts as thinking where it shows thinking', () => {
  const plain = { thinking: null, tokens: { prompt: 1, completion: 9, reasoning: null } };
  const thought = (overrides: object): boolean | null =>
    scoreOf(question(), result({ ...plain, ...overrides }), 'auto').hasThought;
  assert.equal(thought({ reasoning: 'Hm.' }), true);
  assert.equal(thought({ answer: '<think>Hm.</think>4' }), true);
  assert.equal(thought({ answer: 'Hm.</think>4' }), true);
  assert.equal(thought({ answer: '<think>\n\n</think>4' }), false);
  assert.equal(thought({ tokens: { prompt: 1, completion: 9, reasoning: 5 } }), true);
  assert.equal(thought({ tokens: { prompt: 1, completion: 9, reasoning: 0 } }), false);
  assert.equal(thought({}), null);
});
