import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MatcherName } from '../../../src/evaluation/dataset/question.ts';
import { extractChoice } from '../../../src/evaluation/matching/choice.ts';
import { judge, matcherFor } from '../../../src/evaluation/matching/judge.ts';
import { quantitiesIn } from '../../../src/evaluation/matching/quantity.ts';
import { options, question } from '../../helpers/evaluation-fixtures.ts';

const ANIMALS = options('a cat', 'a dog', 'a hot dog', 'none of the above');

const CHOICES: readonly (readonly [reply: string, letter: string | null])[] = [
  ['B', 'B'],
  ['b', 'B'],
  ['B.', 'B'],
  ['(B)', 'B'],
  ['**B**', 'B'],
  ['B. a dog', 'B'],
  ['B) a dog', 'B'],
  ['**B. a dog**', 'B'],
  ['Option B', 'B'],
  ['Answer: B', 'B'],
  ['The answer is (B).', 'B'],
  ['The correct answer is **B**.', 'B'],
  ['The correct option is A because the whiskers show it.', 'A'],
  ['A is right: whiskers.', 'A'],
  ['So it cannot be A. The final answer is \\boxed{B}', 'B'],
  ['\\boxed{\\text{B}}', 'B'],
  ['<answer>C</answer>', 'C'],
  ['First A looked right. Then B did.\nAnswer: D', 'D'],
  ['The whiskers rule out (A) and (C).\nB', 'B'],
  ['I think it is B', 'B'],
  ['a dog', 'B'],
  ['It is a dog.', 'B'],
  ['It is a hot dog.', 'C'],
  ['A dog can be seen in the picture.', 'B'],
  ['None of the above', 'D'],
  ['<think>A? B? No, C.</think>B', 'B'],
  ['', null],
  ['A or B', null],
  ['I do not know.', null],
  ['E', null],
  ['A bird', null],
];

describe('the choice of a reply', () => {
  for (const [reply, letter] of CHOICES) {
    it(`${JSON.stringify(reply)} means ${letter}`, () => {
      const asked = question({ options: ANIMALS, answers: ['B'] });
      const verdict = judge(reply, asked, 'choice');
      assert.deepEqual([verdict.extracted, verdict.isRight], [letter, letter === 'B']);
    });
  }

  it('may be labelled with the text of the option', () => {
    const asked = question({ options: ANIMALS, answers: ['a dog'] });
    assert.equal(judge('B', asked, 'auto').isRight, true);
    assert.equal(judge('A', asked, 'auto').isRight, false);
  });

  it('is found among numbers too', () => {
    assert.equal(extractChoice('The sum is 14.', options('4', '14', '40', '1')), 'B');
  });
});

type Row = readonly [matcher: MatcherName, label: string, reply: string, isRight: boolean];

const VERDICTS: readonly Row[] = [
  ['exact', 'There are two.', 'there are two', true],
  ['exact', 'blue', '"Blue."', true],
  ['exact', 'blue', 'The answer is: **blue**', true],
  ['exact', 'blue', 'light blue', false],
  ['exact', 'f(x)', 'f(x)', true],
  ['exact', '59, 35, 10 and 52', '59, 35, 10  and 52.', true],
  ['contains', 'CENTRE', 'The sign says "Centre Street".', true],
  ['contains', 'CENTRE', 'The sign says "Center Street".', false],
  ['yes-no', 'Yes', 'Yes, it is.', true],
  ['yes-no', 'Yes', 'No, there is no dog.', false],
  ['yes-no', 'No', 'No. A yes would need a dog.', true],
  ['yes-no', 'No', 'Nobody knows', false],
  ['yes-no', 'yes', 'At first no. The answer is yes', true],
  ['numeric', '1234', 'It is 1,234.', true],
  ['numeric', '1,234,567', '1234567', true],
  ['numeric', '12', 'There are 12 apples and so the answer is 12', true],
  ['numeric', '12', '3 + 9 = 12', true],
  ['numeric', '12', 'The answer is 12 out of 30', true],
  ['numeric', '12', '13', false],
  ['numeric', '-5', 'x = −5', true],
  ['numeric', '5', '-5', false],
  ['numeric', '0.5', '1/2', true],
  ['numeric', '1.5', '1 1/2', true],
  ['numeric', '0.75', '\\boxed{\\frac{3}{4}}', true],
  ['numeric', '3.14', '3.14159', true],
  ['numeric', '3', '3.14159', false],
  ['numeric', '2.5 m', '250 cm', true],
  ['numeric', '2.5 m', '2.5 kg', false],
  ['numeric', '2.5', '2.5 m', true],
  ['numeric', '1 hour', '60 minutes', true],
  ['numeric', '$5', '5 dollars', true],
  ['numeric', '$5', '€5', false],
  ['numeric', '12 %', '12', true],
  ['numeric', '0.12', '12%', true],
  ['numeric', '12%', '0.12', true],
  ['numeric', '12%', '13 %', false],
  ['numeric', '3200000', '3.2 million', true],
  ['numeric', 'three', 'There are three.', true],
  ['numeric', '3', 'There are three of them.', true],
  ['numeric', '1e-3', '0.001', true],
  ['numeric', '45°', '45^\\circ', true],
  ['numeric', '7', 'none', false],
  ['numeric', 'blue', 'Blue', true],
  ['relaxed', '100', '104.9', true],
  ['relaxed', '100', '105.1', false],
  ['relaxed', '-100', '-96', true],
  ['relaxed', '0', '0.01', false],
  ['relaxed', '0', '0', true],
  ['relaxed', '0.5', '51%', true],
  ['relaxed', '42%', '43', true],
  ['relaxed', 'Germany', 'germany', true],
  ['relaxed', 'Germany', 'France', false],
];

describe('the verdict', () => {
  for (const [matcher, label, reply, isRight] of VERDICTS) {
    it(`${matcher}: ${JSON.stringify(reply)} ${isRight ? 'meets' : 'misses'} ${label}`, () => {
      const verdict = judge(reply, question({ answers: [label] }), matcher);
      assert.equal(verdict.isRight, isRight, JSON.stringify(verdict));
    });
  }

  it('takes any of several labels', () => {
    const asked = question({ answers: ['1 and 2', '2 and 1'] });
    assert.equal(judge('2 and 1', asked, 'exact').isRight, true);
  });

  it('follows from options and label where no matcher is named', () => {
    assert.equal(matcherFor(question({ options: ANIMALS })), 'choice');
    assert.equal(matcherFor(question({ answers: ['No'] })), 'yes-no');
    assert.equal(matcherFor(question({ answers: ['12 cm'] })), 'numeric');
    assert.equal(matcherFor(question({ answers: ['12 apples'] })), 'exact');
    assert.equal(matcherFor(question({ answers: ['three', 'a few'] })), 'exact');
  });

  it("prefers the question's own matcher", () => {
    assert.equal(
      judge('104', question({ answers: ['100'], match: 'relaxed' }), 'exact').isRight,
      true,
    );
  });

  it('skips thinking that a server left in the reply', () => {
    assert.equal(
      judge('<think>12?</think>\n\n13', question({ answers: ['13'] }), 'exact').isRight,
      true,
    );
  });
});

it('numbers are read with units, scales and fractions, and not out of words', () => {
  const found = quantitiesIn('R2D2 took 1,250.50 km in 2 1/2 h for $3 million (B12)');
  assert.deepEqual(
    found.map(({ value, unit }) => [value, unit?.dimension ?? null]),
    [
      [1250.5, 'length'],
      [2.5, 'time'],
      [3e6, 'dollar'],
    ],
  );
});
