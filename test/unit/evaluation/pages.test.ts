import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calibrate } from '../../../src/evaluation/calibration/calibrate.ts';
import { calibrationPage } from '../../../src/evaluation/calibration/calibration-report.ts';
import { DEFAULT_GOALS } from '../../../src/evaluation/calibration/operating-points.ts';
import { evaluationPage } from '../../../src/evaluation/report/evaluation-page.ts';
import { evaluationReport } from '../../../src/evaluation/report/evaluation-report.ts';
import { scoreOf } from '../../../src/evaluation/report/scores.ts';
import type { RunSettings } from '../../../src/evaluation/run/settings.ts';
import { axisOver } from '../../../src/reports/chart.ts';
import { pThinkHistogram } from '../../../src/reports/probability-plots.ts';
import { tradeOffPlot } from '../../../src/reports/trade-off-plot.ts';
import { modeScores, question } from '../../helpers/evaluation-fixtures.ts';

const SETTINGS: RunSettings = {
  source: 'package 1',
  model: 'm<i>',
  precision: null,
  prompt: 'auto',
  temperature: 0,
  seed: null,
  maxTokens: 64,
  extra: { a: '"' },
};
const SCORES = (['fast', 'auto', 'think'] as const).map((mode) =>
  modeScores(
    mode,
    Array.from({ length: 40 }, (_, i) => ({
      id: String(i),
      category: i % 2 === 0 ? 'easy & quick' : 'hard',
      isRight: mode === 'fast' ? i % 2 === 0 : true,
      tokens: mode === 'fast' ? 5 : 20,
      hasThought: mode === 'think' || (mode === 'auto' && i % 2 === 1),
      pThink: mode === 'auto' ? (i % 2 === 1 ? 0.9 - i / 100 : i / 100) : null,
    })),
  ),
);
const DATASET = { name: '<script>.jsonl', sha256: 'd'.repeat(64), questions: [question()] };

/** Every element closed in turn; what browsers forgive is a mistake here. */
function assertWellFormed(html: string): void {
  const open: string[] = [];
  const style = html.indexOf('<style>');
  const body = html.slice(0, style) + html.slice(html.indexOf('</style>'));
  for (const [, slash, name = ''] of body
    .replace('</style>', '')
    .matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/gi)) {
    if (name === 'meta') continue;
    if (slash === '') open.push(name);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
}

function assertSelfContained(html: string): void {
  assertWellFormed(html);
  assert.doesNotMatch(html, /NaN|Infinity|undefined|\[object/);
  assert.doesNotMatch(html, /<script|<link|<img|@import|url\(|src=|href=/i);
  assert.match(html, /prefers-color-scheme: dark/);
}

describe('the page of an evaluation', () => {
  const html = evaluationPage(
    evaluationReport(
      DATASET,
      { settings: SETTINGS, scores: SCORES, failures: [] },
      { matcher: 'auto', concurrency: 4 },
    ),
  );

  it('loads nothing, escapes everything and has no broken number', () => {
    assertSelfContained(html);
    assert.match(html, /m&lt;i&gt; on &lt;script&gt;\.jsonl/);
    assert.match(html, /easy &amp; quick/);
  });

  it('plots accuracy against tokens, p(think), and rates by category', () => {
    assert.match(html, /aria-label="Accuracy against mean tokens by mode"/);
    assert.match(html, /fast: 50\.0 % right \(35\.2 % to 64\.8 %\) at 5\.0 tokens/);
    assert.match(html, /aria-label="Histogram of p\(think\)"/);
    assert.match(html, /hard, auto: 100\.0 % \(83\.9 % to 100\.0 %\)/);
  });

  it('puts the category with the most thinking first', () => {
    assert.ok(html.indexOf('hard, auto: 100.0 %') < html.indexOf('easy &amp; quick, auto: 0.0 %'));
  });

  it('works without what another server does not report', () => {
    const [fast] = SCORES;
    assert.ok(fast);
    const scores = fast.scores.map((score) => ({
      ...score,
      hasThought: null,
      question: question({ id: score.question.id }),
    }));
    const plain = evaluationPage(
      evaluationReport(
        DATASET,
        { settings: SETTINGS, scores: [{ mode: 'plain', scores }], failures: [] },
        { matcher: 'auto', concurrency: 4 },
      ),
    );
    assertSelfContained(plain);
    assert.doesNotMatch(plain, /Histogram|by category/);
  });

  it('shows a question mark for tokens that a server does not count', () => {
    const uncounted = SCORES.map(({ mode, scores }) => ({
      mode,
      scores: scores.map((score) =>
        scoreOf(
          score.question,
          { ...score.result, tokens: { prompt: null, completion: null, reasoning: null } },
          'auto',
        ),
      ),
    }));
    const page = evaluationPage(
      evaluationReport(
        DATASET,
        { settings: SETTINGS, scores: uncounted, failures: [] },
        { matcher: 'auto', concurrency: 4 },
      ),
    );
    assertSelfContained(page);
    assert.match(page, /<td>\?<\/td>/);
    assert.doesNotMatch(page, /Accuracy against tokens/);
  });

  it('renders even when nothing was answered', () => {
    assertSelfContained(
      evaluationPage(
        evaluationReport(
          DATASET,
          {
            settings: SETTINGS,
            scores: [{ mode: 'fast', scores: [] }],
            failures: [{ mode: 'fast', id: '1', message: 'no' }],
          },
          { matcher: 'auto', concurrency: 4 },
        ),
      ),
    );
  });
});

describe('the page of a calibration', () => {
  it('has the curve with its profiles, the reliability and the thresholds', () => {
    const report = calibrate({
      dataset: DATASET,
      settings: SETTINGS,
      scores: SCORES,
      goals: DEFAULT_GOALS,
      splitShare: 0.5,
      seed: 1,
    });
    const html = calibrationPage(report);
    assertSelfContained(html);
    assert.match(html, /aria-label="Accuracy against tokens by threshold"/);
    for (const name of ['economy', 'balanced', 'thorough']) {
      assert.ok(html.split(`>${name}<`).length >= 4, `${name} in both plots and the table`);
    }
    assert.match(html, /questions with p\(think\) 0\.\d+: thinking pays on 100\.0 %/);
  });
});

describe('plots', () => {
  it('have round ticks that hold every value', () => {
    const axis = axisOver([0.782, 0.977], { label: 'x', most: 1, least: 0 });
    assert.ok(axis.low <= 0.782 && axis.high >= 0.977 && axis.high <= 1);
    assert.deepEqual(
      axis.ticks.map((tick) => Math.round(tick * 100)),
      [75, 80, 85, 90, 95, 100],
    );
    const flat = axisOver([5], { label: 'x' });
    assert.ok(flat.low < 5 && flat.high > 5);
  });

  it('count every value once, the ends included', () => {
    const counts = [
      ...pThinkHistogram([0, 0.049, 0.05, 0.999, 1]).matchAll(/>(\d+) questions between/g),
    ];
    assert.deepEqual(
      counts.map(([, count]) => Number(count)).filter((count) => count > 0),
      [2, 1, 2],
    );
  });

  it('keep names of points at the same place apart', () => {
    const estimate = { value: 0.5, low: 0.4, high: 0.6 };
    const point = (name: string) => ({ name, style: 'other', x: estimate, y: estimate });
    const svg = tradeOffPlot({ title: 't', points: [point('one'), point('two'), point('three')] });
    const heights = [...svg.matchAll(/class="name other" x="[\d.]+" y="([\d.]+)"/g)].map(([, y]) =>
      Number(y),
    );
    assert.equal(new Set(heights).size, 3);
  });
});
