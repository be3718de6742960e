import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Candidate, fidelityReport } from '../../../src/evaluation/fidelity/fidelity.ts';
import { fidelityPage, fidelityTable } from '../../../src/evaluation/fidelity/fidelity-report.ts';
import { logprobDistance } from '../../../src/evaluation/fidelity/logprob-distance.ts';
import type { Result } from '../../../src/evaluation/run/result-store.ts';
import type { RunSettings } from '../../../src/evaluation/run/settings.ts';
import { question, result, score } from '../../helpers/evaluation-fixtures.ts';

type Position = NonNullable<Result['logprobs']>[number];

/** A position with the probabilities of its likeliest tokens; the first is the one taken. */
function position(shares: Readonly<Record<string, number>>): Position {
  const top = Object.entries(shares).map(([token, p]): [string, number] => [token, Math.log(p)]);
  const [taken] = top;
  return { token: taken?.[0] ?? '', logprob: taken?.[1] ?? null, top };
}

function reply(...logprobs: Position[]): Result {
  return result({ logprobs });
}

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);
}

describe('the distance of log-probabilities', () => {
  it('is nothing between a reply and itself', () => {
    const one = reply(position({ a: 0.9, b: 0.1 }), position({ c: 0.6, d: 0.3 }));
    assert.deepEqual(logprobDistance(one, one), {
      numPositions: 2,
      sumAbsolute: 0,
      numTokens: 4,
      largest: 0,
      sumDivergence: 0,
      sameFirst: 2,
      isIdentical: true,
    });
  });

  it('is the Kullback-Leibler divergence where everything is listed', () => {
    const found = logprobDistance(
      reply(position({ a: 0.75, b: 0.25 })),
      reply(position({ a: 0.5, b: 0.5 })),
    );
    near(found.sumDivergence, 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5));
    near(found.sumAbsolute, Math.log(1.5) + Math.log(2));
    near(found.largest, Math.log(2));
  });

  it('takes what only one lists, and what neither does, as one token', () => {
    const found = logprobDistance(
      reply(position({ a: 0.5, b: 0.3 })),
      reply(position({ a: 0.4, c: 0.4 })),
    );
    near(found.sumDivergence, 0.5 * Math.log(0.5 / 0.4) + 0.5 * Math.log(0.5 / 0.6));
    assert.equal(found.numTokens, 1);
  });

  it('ends where the replies diverge: the context differs from there on', () => {
    const found = logprobDistance(
      reply(position({ a: 1 }), position({ b: 0.6, c: 0.4 }), position({ d: 1 })),
      reply(position({ a: 1 }), position({ c: 0.6, b: 0.4 }), position({ e: 1 })),
    );
    assert.deepEqual([found.numPositions, found.sameFirst, found.isIdentical], [2, 1, false]);
  });

  it('skips tokens that the server forced', () => {
    const forced: Position = { token: '</think>', logprob: null, top: [] };
    const one = reply(forced, position({ a: 1 }));
    const found = logprobDistance(one, one);
    assert.deepEqual([found.numPositions, found.isIdentical], [1, true]);
  });
});

const SETTINGS: RunSettings = {
  source: 'package 1',
  model: 'm',
  precision: 'fp32',
  prompt: 'auto',
  temperature: 0,
  seed: null,
  maxTokens: null,
  extra: {},
};

interface Shape {
  readonly p: number;
  readonly answer: string;
}

function candidate(name: string, shapes: readonly Shape[]): Candidate {
  const scores = shapes.map(({ p, answer }, index) => {
    const id = String(index);
    const made = score({ id, isRight: answer === '4', tokens: 3, pThink: p, hasThought: p >= 0.5 });
    const logprobs = [position({ [answer]: p, other: 1 - p })];
    return { ...made, result: { ...made.result, id, answer, logprobs } };
  });
  return { name, settings: { ...SETTINGS, precision: name }, scores: [{ mode: 'auto', scores }] };
}

describe('a report of fidelity', () => {
  const questions = ['0', '1', '2', '3'].map((id) => question({ id }));
  const dataset = { name: 'q.jsonl', sha256: 'e'.repeat(64), questions };
  const report = fidelityReport(dataset, [
    candidate('fp32', [
      { p: 0.9, answer: '4' },
      { p: 0.55, answer: '4' },
      { p: 0.2, answer: '5' },
      { p: 0.1, answer: '4' },
    ]),
    candidate('int4', [
      { p: 0.9, answer: '4' },
      { p: 0.45, answer: '6' },
      { p: 0.2, answer: '4' },
      { p: 0.1, answer: ' 4.' },
    ]),
  ]);
  const [found] = report.comparisons;

  it('counts answers that changed, were lost and were gained', () => {
    assert.ok(found);
    assert.deepEqual(found.answers, { changed: 2, lost: 2 - 1, gained: 1, identical: 1 });
    assert.deepEqual([found.accuracy.value, found.accuracyChange.value], [0.5, -0.25]);
  });

  it('lists decisions that flipped, with margins and shifts in log odds', () => {
    assert.ok(found?.decisions);
    const { flipped, shift, margin, numAtRisk, numMeasured } = found.decisions;
    assert.deepEqual(flipped, [{ id: '1', reference: 0.55, other: 0.45 }]);
    near(shift.largest, 2 * Math.log(0.55 / 0.45));
    near(shift.mean, shift.largest / 4);
    near(margin.smallest, Math.log(0.55 / 0.45));
    assert.deepEqual([numMeasured, numAtRisk], [4, 1]);
  });

  it('appears in the table and on the page', () => {
    const table = fidelityTable(report);
    assert.match(table, /^fp32 +auto +75\.0 %/m);
    assert.match(table, /^int4 +auto +50\.0 % .*−25\.0/m);
    assert.match(table, /^1 +int4 +0\.5500 +0\.4500$/m);
    const html = fidelityPage(report);
    assert.match(html, /1 of 4 decisions differ in mode auto/);
    assert.equal(html.match(/class="dot flipped"/g)?.length, 1);
    assert.equal(html.match(/class="speck"/g)?.length, 3);
  });

  it('has no decisions where none was measured', () => {
    const plain = (name: string): Candidate => {
      const made = candidate(name, [{ p: 0.5, answer: '4' }]);
      return {
        ...made,
        scores: [
          {
            mode: 'think',
            scores: made.scores.flatMap(({ scores }) =>
              scores.map((s) => ({ ...s, result: { ...s.result, thinking: null } })),
            ),
          },
        ],
      };
    };
    const [comparison] = fidelityReport(dataset, [plain('a'), plain('b')]).comparisons;
    assert.equal(comparison?.decisions, null);
  });
});
