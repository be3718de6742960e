import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { goalsOf } from '../../../src/cli/calibrate-command.ts';
import { calibrate } from '../../../src/evaluation/calibration/calibrate.ts';
import { calibrationTable } from '../../../src/evaluation/calibration/calibration-report.ts';
import {
  type CalibrationItem,
  calibrationData,
  split,
} from '../../../src/evaluation/calibration/items.ts';
import {
  choosePoint,
  DEFAULT_GOALS,
  operatingPoint,
  operatingPoints,
  paretoFront,
} from '../../../src/evaluation/calibration/operating-points.ts';
import { reliability } from '../../../src/evaluation/calibration/reliability.ts';
import type { ModeScores } from '../../../src/evaluation/report/scores.ts';
import type { RunSettings } from '../../../src/evaluation/run/settings.ts';
import { profileSchema } from '../../../src/package/profile.ts';
import { modeScores } from '../../helpers/evaluation-fixtures.ts';

function item(
  pThink: number,
  fastRight: boolean,
  thinkRight: boolean,
  category = 'c',
): CalibrationItem {
  return {
    id: String(pThink),
    category,
    pThink,
    fast: { isRight: fastRight, tokens: 10 },
    think: { isRight: thinkRight, tokens: 50 },
  };
}

/** Easy questions the model leans to answer, hard ones it leans to think on, one of each kind misjudged. */
const ITEMS = [
  item(0.1, true, true),
  item(0.2, true, true),
  item(0.3, false, true),
  item(0.6, true, true),
  item(0.8, false, true),
  item(0.9, false, true),
];

describe('the curve over thresholds', () => {
  it('runs from always thinking to never, over every decision in between', () => {
    const points = operatingPoints(ITEMS);
    assert.deepEqual(
      points.map(({ thinkingRate }) => Math.round(thinkingRate * 6)),
      [6, 5, 4, 3, 2, 1, 0],
    );
    assert.deepEqual(
      points.map(({ accuracy }) => Math.round(accuracy * 6)),
      [6, 6, 6, 5, 5, 4, 3],
    );
    assert.equal(points[0]?.meanTokens, 50);
    assert.equal(points.at(-1)?.meanTokens, 10);
  });

  it('has thresholds that separate the questions, however close their probabilities', () => {
    const probability = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(probability, { minLength: 1, maxLength: 12 }), (values) => {
        const items = values.map((p) => item(p, false, true));
        const sorted = [...new Set(values)].sort((a, b) => a - b);
        const rates = operatingPoints(items).map(({ thinkingRate }) => thinkingRate);
        assert.ok(rates.length >= sorted.length);
        assert.ok(rates.every((rate, i) => i === 0 || rate < (rates[i - 1] ?? 0)));
        for (const { threshold } of operatingPoints(items))
          assert.ok(threshold >= 0 && threshold <= 1);
      }),
    );
  });

  it('has a front that rises in accuracy with every token more', () => {
    const front = paretoFront(operatingPoints(ITEMS));
    assert.deepEqual(
      front.map(({ accuracy }) => Math.round(accuracy * 6)),
      [3, 4, 5, 6],
    );
    assert.ok(
      front.every((point, i) => i === 0 || point.meanTokens > (front[i - 1]?.meanTokens ?? 0)),
    );
  });
});

describe('a goal', () => {
  const points = operatingPoints(ITEMS);
  const ends = {
    never: operatingPoint(ITEMS, Number.POSITIVE_INFINITY),
    always: operatingPoint(ITEMS, 0),
  };
  const rateFor = (
    kind: 'max-tokens-share' | 'max-mean-tokens' | 'min-accuracy' | 'min-gain',
    value: number,
  ): number => Math.round(6 * choosePoint(points, { kind, value }, ends).thinkingRate);

  it('of tokens takes the most accurate that is cheap enough', () => {
    assert.equal(rateFor('max-mean-tokens', 24), 2);
    assert.equal(rateFor('max-tokens-share', 1), 4);
    assert.equal(rateFor('max-tokens-share', 0.34), 1);
  });

  it('of accuracy takes the cheapest that is accurate enough', () => {
    assert.equal(rateFor('min-accuracy', 0.8), 2);
    assert.equal(rateFor('min-gain', 1), 4);
    assert.equal(rateFor('min-gain', 0.5), 2);
    assert.equal(rateFor('min-gain', 0), 0);
  });

  it('that cannot be reached is rejected with the best that can', () => {
    assert.throws(() => rateFor('max-mean-tokens', 5), /--max-mean-tokens 5.*the fewest are 10\.0/);
    assert.throws(() => rateFor('max-tokens-share', 0.1), /the smallest share is 0\.200/);
    const never = operatingPoints([item(0.5, false, false)]);
    assert.throws(
      () => choosePoint(never, { kind: 'min-accuracy', value: 0.5 }, ends),
      /--min-accuracy 0\.5.*the highest is 0\.0000/,
    );
  });

  it('needs a name, and a name of its own needs a goal', () => {
    assert.equal(goalsOf({}), DEFAULT_GOALS);
    assert.deepEqual(goalsOf({ profile: 'economy' }), { economy: DEFAULT_GOALS['economy'] });
    assert.deepEqual(goalsOf({ profile: 'mine', minAccuracy: 0.9 }), {
      mine: { kind: 'min-accuracy', value: 0.9 },
    });
    assert.throws(() => goalsOf({ minAccuracy: 0.9 }), /--min-accuracy needs --profile/);
    assert.throws(() => goalsOf({ profile: 'mine' }), /--profile mine needs a goal/);
    assert.throws(() => goalsOf({ profile: 'My own' }), /small letters/);
    assert.throws(
      () => goalsOf({ profile: 'a', minGain: 1, maxMeanTokens: 4 }),
      /--max-mean-tokens and --min-gain contradict/,
    );
  });
});

describe('the reliability of p(think)', () => {
  it('is the chance that it ranks a question on which thinking pays above another', () => {
    // Paying: .3, .8, .9; others: .1, .2, .6. Of nine pairs only (.3, .6) is the wrong way round.
    assert.equal(reliability(ITEMS).auroc, 8 / 9);
    const ties = [item(0.5, false, true), item(0.5, true, true)];
    assert.equal(reliability(ties).auroc, 0.5);
    assert.equal(reliability([item(0.5, true, true)]).auroc, null);
  });

  it('is shown by bins, with the distance to what thinking was worth', () => {
    const { bins, calibrationError } = reliability([
      item(0.92, false, true),
      item(0.98, true, true),
      item(1, false, true),
    ]);
    assert.equal(bins.length, 1);
    const [bin] = bins;
    assert.deepEqual([bin?.low, bin?.numQuestions, bin?.thinkingPays], [0.9, 3, 2 / 3]);
    assert.ok(Math.abs(calibrationError - (2.9 / 3 - 2 / 3)) < 1e-12);
  });
});

it('questions are split in proportion to their categories', () => {
  const items = Array.from({ length: 100 }, (_, i) =>
    item(i / 100, true, true, i < 80 ? 'a' : 'b'),
  );
  const { chosenOn, heldOut } = split(items, 0.25, 1);
  const ofB = (part: readonly CalibrationItem[]): number =>
    part.filter(({ category }) => category === 'b').length;
  assert.deepEqual([chosenOn.length, ofB(chosenOn), heldOut.length, ofB(heldOut)], [25, 5, 75, 15]);
  assert.deepEqual(split(items, 0.25, 1), { chosenOn, heldOut });
  assert.notDeepEqual(split(items, 0.25, 2).chosenOn, chosenOn);
});

/** 200 questions, half of them hard: only thinking gets those right, and p(think) tells most of them. */
function threeModes(): ModeScores[] {
  const shapes = Array.from({ length: 200 }, (_, i) => {
    const isHard = i % 2 === 1;
    const pThink = isHard ? 0.55 + (i % 40) / 100 : 0.02 + (i % 50) / 100;
    return { id: String(i), isHard, pThink, thinks: pThink >= 0.5 };
  });
  return [
    modeScores(
      'fast',
      shapes.map(({ id, isHard }) => ({ id, isRight: !isHard, tokens: 10 })),
    ),
    modeScores(
      'auto',
      shapes.map(({ id, isHard, pThink, thinks }) => ({
        id,
        pThink,
        hasThought: thinks,
        isRight: !isHard || thinks,
        tokens: thinks ? 51 : 12,
      })),
    ),
    modeScores(
      'think',
      shapes.map(({ id }) => ({ id, isRight: true, tokens: 50, hasThought: true })),
    ),
  ];
}

const SETTINGS: RunSettings = {
  source: 'package',
  model: 'm',
  precision: null,
  prompt: 'auto',
  temperature: 0,
  seed: null,
  maxTokens: null,
  extra: {},
};
const DATASET = { name: 'q.jsonl', sha256: 'c'.repeat(64), questions: [] };

describe('a calibration', () => {
  const common = { dataset: DATASET, settings: SETTINGS, splitShare: 0.5, seed: 1 };

  it('chooses on one part and tells what the other part reached', () => {
    const report = calibrate({ ...common, scores: threeModes(), goals: DEFAULT_GOALS });
    assert.deepEqual([report.split.numChosenOn, report.split.numHeldOut], [100, 100]);
    assert.deepEqual(report.decisionCost, { fast: 2, think: 1 });
    const [economy, balanced, thorough] = report.profiles.map(({ profile }) => profile);
    for (const profile of [economy, balanced, thorough]) profileSchema.parse(profile);
    assert.ok(economy && balanced && thorough);
    assert.ok(economy.threshold > balanced.threshold && balanced.threshold > thorough.threshold);
    assert.equal(thorough.heldOut.accuracy.value, 1);
    assert.ok(economy.heldOut.meanTokens.value < balanced.heldOut.meanTokens.value);
    for (const { heldOut } of [economy, balanced, thorough]) {
      assert.ok(
        heldOut.accuracy.low <= heldOut.accuracy.value &&
          heldOut.accuracy.value <= heldOut.accuracy.high,
      );
    }
    assert.equal(report.references.always.meanTokens, 51);
    assert.equal(report.references.never.meanTokens, 12);
    const table = calibrationTable(report);
    assert.match(table, /^thorough +0\.\d+ +100\.0 %/m);
    assert.match(table, /chosen on 100 questions and measured on 100 others/);
  });

  it('needs all three modes and enough questions that have them', () => {
    const [fast, auto, think] = threeModes();
    assert.ok(fast && auto && think);
    assert.throws(() => calibrationData([fast, think]), /needs the modes fast, auto and think/);
    const unmeasured = modeScores(
      'auto',
      auto.scores.map(({ question }) => ({ id: question.id, isRight: true, tokens: 5 })),
    );
    assert.throws(() => calibrationData([fast, unmeasured, think]), /Only 0 of 200 questions/);
    const { items, numIncomplete } = calibrationData([
      fast,
      auto,
      { ...think, scores: think.scores.slice(0, 150) },
    ]);
    assert.deepEqual([items.length, numIncomplete], [150, 50]);
  });
});
