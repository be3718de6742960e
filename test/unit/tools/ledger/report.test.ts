import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ReportRecord } from '../../../../src/tools/ledger-report/read-ledger.ts';
import { reportPage } from '../../../../src/tools/ledger-report/report-page.ts';
import { reportCsv, reportRows } from '../../../../src/tools/ledger-report/report-table.ts';
import {
  type Grouping,
  type LedgerSummary,
  summarise,
} from '../../../../src/tools/ledger-report/summarise.ts';
import { ledgerRecord } from '../../../helpers/ledger-record.ts';

const THOUGHT = {
  decision: 'think',
  p_think: 0.75,
  tokens: { prompt: 100, cached: 0, preamble: 0, reasoning: 60, answer: 10 },
};

const RECORDS: readonly ReportRecord[] = [
  ledgerRecord({ key_id: 'alice' }),
  ledgerRecord({ key_id: 'alice', ...THOUGHT, ended_by: 'budget' }),
  // Forced: says nothing of the model's choice.
  ledgerRecord({ key_id: 'bob', ...THOUGHT, source: 'request', p_think: null }),
  ledgerRecord({
    key_id: 'bob',
    time: '2026-01-01T03:00:00.000Z',
    status: 503,
    error: 'queue_full',
    decision: null,
    source: null,
    p_think: null,
    tokens: { prompt: 0, cached: 0, preamble: 0, reasoning: 0, answer: 0 },
    ms: { first_answer: null, total: 1 },
  }),
];

function summaryOf(records: readonly ReportRecord[], by: Grouping): Promise<LedgerSummary> {
  async function* all(): AsyncGenerator<ReportRecord> {
    yield* records;
  }
  return summarise(all(), by);
}

function table(summary: LedgerSummary, by: string): Record<string, Record<string, string>> {
  const [header = [], ...rows] = reportRows(summary, by);
  return Object.fromEntries(
    rows.map(([name = '', ...cells]) => [
      name,
      Object.fromEntries(cells.map((cell, index) => [header[index + 1], cell])),
    ]),
  );
}

describe('A report of the ledger', () => {
  test("counts the thinking rate over the model's own decisions only", async () => {
    const rows = table(await summaryOf(RECORDS, 'key'), 'key');
    assert.deepEqual(Object.keys(rows), ['alice', 'bob', 'total']);
    assert.equal(rows['alice']?.['model thinks'], '50.0 %');
    assert.equal(rows['bob']?.['model thinks'], '-');
    assert.equal(rows['bob']?.['all think'], '100.0 %');
    assert.equal(rows['total']?.['model thinks'], '50.0 %');
  });

  test('sums tokens, failures and thinking that a budget ended', async () => {
    const { total } = await summaryOf(RECORDS, 'model');
    assert.equal(total.numRequests, 4);
    assert.equal(total.numErrors, 1);
    assert.equal(total.numBudgetEnds, 1);
    assert.equal(total.thinkingTokens, 122);
    assert.equal(total.answerTokens, 28);
    assert.equal(total.promptTokens, 300);
    assert.equal(total.cachedTokens, 40);
    assert.equal(total.firstAnswerP50, 50);
    assert.deepEqual(total.probabilities, [0.25, 0.75]);
  });

  test('counts one decision per choice of a request', async () => {
    const choice = (decision: string) => ({
      decision,
      source: 'model',
      p_think: 0.5,
      ended_by: null,
    });
    const { total } = await summaryOf(
      [ledgerRecord({ generations: [choice('think'), choice('fast'), choice('think')] })],
      'model',
    );
    assert.equal(total.numRequests, 1);
    assert.equal(total.numModelDecisions, 3);
    assert.equal(total.numModelThinks, 2);
  });

  test('groups by model, hour, day and source in sorted order', async () => {
    const names = async (by: Grouping): Promise<string[]> =>
      (await summaryOf(RECORDS, by)).groups.map(({ name }) => name);
    assert.deepEqual(await names('model'), ['nano']);
    assert.deepEqual(await names('hour'), ['2026-01-01T00:00Z', '2026-01-01T03:00Z']);
    assert.deepEqual(await names('day'), ['2026-01-01']);
    assert.deepEqual(await names('source'), ['(undecided)', 'model', 'request']);
  });

  test('estimates savings only from a hold-out, with an interval', async () => {
    const arms = Array.from({ length: 80 }, (_, index) => {
      const isThink = index % 2 === 0;
      const reasoning = (isThink ? 100 : 40) + (index % 10);
      const tokens = { prompt: 9, cached: 0, preamble: 0, reasoning, answer: 5 };
      return ledgerRecord({ holdout_arm: isThink ? 'think' : 'auto', tokens });
    });
    const { total } = await summaryOf(arms, 'model');
    const { estimate, lower, upper } = total.savings!.tokens;
    assert.ok(Math.abs(estimate - 59) < 1e-9, String(estimate));
    assert.ok(lower > 57 && lower < 59 && upper > 59 && upper < 61, `${lower} ${upper}`);
    assert.equal((await summaryOf(RECORDS, 'model')).total.savings, null);
  });

  test('writes CSV with quoted names and without formulas', async () => {
    const named = (key_id: string): ReportRecord => ledgerRecord({ key_id });
    const summary = await summaryOf([named('a "b", c'), named('=SUM(A1)')], 'key');
    const [header, first, second, end] = reportCsv(summary, 'key').split('\r\n');
    assert.match(header ?? '', /^key,numRequests,numErrors,.*firstAnswerP95,tokensSaved,/);
    assert.match(first ?? '', /^'=SUM\(A1\),1,0,.*,0\.05,0\.05,,,,,,$/);
    assert.match(second ?? '', /^"a ""b"", c",1,0,/);
    assert.equal(end, '');
  });

  test('writes a page that loads no other resource and escapes names', async () => {
    const html = reportPage(
      await summaryOf([...RECORDS, ledgerRecord({ key_id: '<script>' })], 'key'),
      'key',
    );
    assert.ok(html.includes('&lt;script&gt;') && !html.includes('<script'));
    assert.doesNotMatch(html, /https?:\/\/|NaN|undefined/);
    assert.equal(html.match(/<svg/g)?.length, 3);
  });
});
