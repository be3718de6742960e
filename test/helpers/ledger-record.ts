import type { ReportRecord } from '../../src/tools/ledger-report/read-ledger.ts';

/** A record of one auto request that was answered directly, apart from what is given. */
export function ledgerRecord(given: Partial<ReportRecord> = {}): ReportRecord {
  return {
    time: '2026-01-01T00:00:00.000Z',
    key_id: null,
    model: 'nano',
    status: 200,
    error: null,
    decision: 'fast',
    source: 'model',
    p_think: 0.25,
    ended_by: null,
    generations: [],
    holdout_arm: null,
    tokens: { prompt: 100, cached: 40, preamble: 0, reasoning: 2, answer: 8 },
    ms: { first_answer: 50, total: 80 },
    ...given,
  };
}
