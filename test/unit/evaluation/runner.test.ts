import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { ModelEntry } from '../../../src/evaluation/client/chat-client.ts';
import type { Reply } from '../../../src/evaluation/client/reply.ts';
import {
  retryAfterMs,
  ServerFailure,
  withRetries,
} from '../../../src/evaluation/client/server-failure.ts';
import type { Dataset } from '../../../src/evaluation/dataset/question.ts';
import { scoreResults } from '../../../src/evaluation/report/scores.ts';
import { ResultStore } from '../../../src/evaluation/run/result-store.ts';
import { type Failure, runEvaluation } from '../../../src/evaluation/run/runner.ts';
import {
  defaultModes,
  type Mode,
  type RunSettings,
  requestFields,
  resolveModes,
  runKey,
} from '../../../src/evaluation/run/settings.ts';
import { question } from '../../helpers/evaluation-fixtures.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

const SETTINGS: RunSettings = {
  source: 'here',
  model: 'm',
  precision: null,
  prompt: 'auto',
  temperature: 0,
  seed: null,
  maxTokens: null,
  extra: {},
};
const OURS: ModelEntry = {
  id: 'm',
  precision: 'fp32',
  modes: ['auto', 'think', 'fast'],
  profiles: { economy: 0.8 },
};
const MODES = resolveModes(['fast', 'think'], OURS);
const DATASET: Dataset = {
  name: 'q.jsonl',
  sha256: 'f'.repeat(64),
  questions: ['1', '2', '3'].map((id) => question({ id })),
};
const REPLY: Reply = {
  answer: '4',
  reasoning: null,
  finishReason: 'stop',
  thinking: null,
  tokens: { prompt: 1, completion: 2, reasoning: 0 },
  ms: { first: 1, total: 2 },
  logprobs: [],
};

type Body = Readonly<Record<string, unknown>>;

interface Run {
  readonly path: string;
  readonly complete?: (body: Body, count: number) => Promise<Reply>;
  readonly modes?: readonly Mode[];
  readonly settings?: RunSettings;
  readonly signal?: AbortSignal;
}

/** @returns the bodies that were sent, and what failed */
async function run(options: Run): Promise<{ bodies: Body[]; failures: Failure[] }> {
  const { path, complete = async () => REPLY, modes = MODES, settings = SETTINGS } = options;
  const bodies: Body[] = [];
  const store = new ResultStore(path);
  try {
    const failures = await runEvaluation({
      dataset: DATASET,
      modes,
      settings,
      store,
      client: {
        complete: (body) => {
          bodies.push(body);
          return complete(body, bodies.length);
        },
      },
      concurrency: 1,
      retries: 2,
      signal: options.signal ?? new AbortController().signal,
      wait: async () => undefined,
    });
    return { bodies, failures };
  } finally {
    store.close();
  }
}

function resultsFile(test: TestContext): string {
  return join(scratchDir(test), 'results.jsonl');
}

describe('a run', () => {
  it('asks every question in every mode, and nothing twice', async (test) => {
    const path = resultsFile(test);
    const { bodies } = await run({ path });
    assert.equal(bodies.length, 6);
    assert.deepEqual(bodies[0], {
      model: 'm',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'How many?' }] }],
      temperature: 0,
      thinking_mode: 'fast',
    });
    const again = await run({ path });
    assert.equal(again.bodies.length, 0);
    const more = await run({ path, modes: resolveModes(['fast', 'think', 'auto'], OURS) });
    assert.deepEqual(
      more.bodies.map((body) => body['thinking_mode']),
      ['auto', 'auto', 'auto'],
    );
  });

  it('resumes where it was killed, even in the middle of a line', async (test) => {
    const path = resultsFile(test);
    const abort = new AbortController();
    const killed = run({
      path,
      signal: abort.signal,
      complete: async (_, count) => {
        if (count === 3) abort.abort(new Error('killed'));
        return REPLY;
      },
    });
    await assert.rejects(killed, /killed/);
    appendFileSync(path, '{"run":"half a li');
    const { bodies } = await run({ path });
    assert.equal(bodies.length, 3);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 2 + 6);
    for (const line of lines) JSON.parse(line);
  });

  it('asks anew with other settings', async (test) => {
    const path = resultsFile(test);
    await run({ path });
    const warmer = { ...SETTINGS, temperature: 0.5, seed: 7, maxTokens: 9, extra: { top_k: 2 } };
    const { bodies } = await run({ path, settings: warmer });
    assert.equal(bodies.length, 6);
    const { model: _m, messages: _t, ...fields } = bodies[0] ?? {};
    assert.deepEqual(fields, {
      temperature: 0.5,
      seed: 7,
      max_tokens: 9,
      thinking_mode: 'fast',
      top_k: 2,
    });
  });

  it('reports what failed and asks it again the next time', async (test) => {
    const path = resultsFile(test);
    const { bodies, failures } = await run({
      path,
      complete: async (_, count) => {
        if (count === 2) throw new ServerFailure('too long', 'question');
        return REPLY;
      },
    });
    assert.equal(bodies.length, 6);
    assert.deepEqual(failures, [{ mode: 'think', id: '1', message: 'too long' }]);
    assert.equal((await run({ path })).bodies.length, 1);
  });

  it('stops at once where no question can be answered', async (test) => {
    const path = resultsFile(test);
    let count = 0;
    const refused = run({
      path,
      complete: async () => {
        count += 1;
        throw new ServerFailure('Status 401: no key', 'all');
      },
    });
    await assert.rejects(refused, /no key/);
    assert.equal(count, 1);
  });

  it('gives up when everything fails, and keeps what was answered', async (test) => {
    const path = resultsFile(test);
    const dead = run({
      path,
      modes: resolveModes(['fast', 'think', 'auto', 'auto@economy'], OURS),
      complete: async (_, count) => {
        if (count === 1) return REPLY;
        throw new ServerFailure('nobody there', 'later');
      },
    });
    await assert.rejects(dead, /Gave up after 10 failures in a row.*nobody there/);
    assert.equal((await run({ path })).bodies.length, 5);
  });

  it('leaves a file alone that holds something else', (test) => {
    const path = resultsFile(test);
    writeFileSync(path, '{"a":1}\n');
    assert.throws(() => new ResultStore(path), /line 1 is no result of an evaluation/);
    assert.equal(readFileSync(path, 'utf8'), '{"a":1}\n');
  });

  it('is scored from the file by the labels of today', async (test) => {
    const path = resultsFile(test);
    await run({ path });
    const store = new ResultStore(path);
    test.after(() => store.close());
    const options = { modes: MODES, settings: SETTINGS, store, matcher: 'auto' } as const;
    const [fast] = scoreResults({ ...options, dataset: DATASET });
    assert.deepEqual(
      fast?.scores.map(({ isRight }) => isRight),
      [true, true, true],
    );
    const relabelled = { ...DATASET, questions: [question({ id: '1', answers: ['5'] })] };
    assert.deepEqual(
      scoreResults({ ...options, dataset: relabelled })[0]?.scores.map(({ isRight }) => isRight),
      [false],
    );
  });
});

describe('the key of a run', () => {
  const key = (settings: Partial<RunSettings>, mode = MODES[0]): string => {
    assert.ok(mode);
    return runKey(DATASET, mode, { ...SETTINGS, ...settings });
  };

  it('does not depend on the order of settings, and on everything else', () => {
    assert.equal(key({ extra: { a: 1, b: 2 } }), key({ extra: { b: 2, a: 1 } }));
    const keys = [
      key({}),
      key({}, MODES[1]),
      key({ temperature: 1 }),
      key({ source: 'there' }),
      key({ extra: { a: 1 } }),
      key({}, { name: 'auto@economy', fields: {}, threshold: 0.8 }),
      key({}, { name: 'auto@economy', fields: {}, threshold: 0.7 }),
    ];
    assert.equal(new Set(keys).size, keys.length);
  });
});

describe('modes', () => {
  it('are those the server offers; other servers get plain requests', () => {
    assert.deepEqual(defaultModes(OURS), ['fast', 'auto', 'think']);
    assert.deepEqual(defaultModes({ ...OURS, modes: null }), ['plain']);
    const [profile] = resolveModes(['auto@economy'], OURS);
    assert.ok(profile);
    assert.equal(profile.threshold, 0.8);
    assert.deepEqual(requestFields(profile, SETTINGS), {
      temperature: 0,
      thinking_mode: 'auto',
      thinking_profile: 'economy',
    });
  });

  for (const [name, entry, message] of [
    ['slow', OURS, /"slow" is none of/],
    ['fast@economy', OURS, /"fast@economy" is none of/],
    ['auto@lavish', OURS, /no profile lavish; it has: economy/],
    ['auto', { ...OURS, modes: ['think', 'fast'] }, /cannot do auto; it can do: think, fast/],
    ['auto', { ...OURS, modes: null }, /not served by thinkgate.*plain only/],
  ] as const) {
    it(`${name} is rejected: ${message.source}`, () => {
      assert.throws(() => resolveModes([name], entry), message);
    });
  }
});

describe('retries', () => {
  const signal = new AbortController().signal;

  it('wait as long as the server asks, else ever longer', async () => {
    const waits: number[] = [];
    const wait = async (ms: number): Promise<void> => void waits.push(ms);
    let count = 0;
    const value = await withRetries(
      async () => {
        count += 1;
        if (count === 1) throw new ServerFailure('busy', 'later', { retryAfterMs: 1234 });
        if (count < 4) throw new ServerFailure('busy', 'later');
        return 'done';
      },
      { retries: 5, signal, wait },
    );
    assert.equal(value, 'done');
    assert.equal(waits[0], 1234);
    assert.ok(waits[1] !== undefined && waits[1] >= 500 && waits[1] <= 1000, String(waits));
    assert.ok(waits[2] !== undefined && waits[2] >= 1000 && waits[2] <= 2000, String(waits));
  });

  it('end with the last failure, and do not start where they cannot help', async () => {
    for (const [scope, attempts] of [
      ['later', 3],
      ['question', 1],
      ['all', 1],
    ] as const) {
      let count = 0;
      const attempt = async (): Promise<never> => {
        count += 1;
        throw new ServerFailure(scope, scope);
      };
      await assert.rejects(
        withRetries(attempt, { retries: 2, signal, wait: async () => undefined }),
        new RegExp(scope),
      );
      assert.equal(count, attempts);
    }
  });

  it('read Retry-After as seconds or a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    assert.equal(retryAfterMs('1.5', now), 1500);
    assert.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:10 GMT', now), 10_000);
    assert.equal(retryAfterMs('Wed, 31 Dec 2025 00:00:00 GMT', now), 0);
    for (const header of [null, '', 'soon']) assert.equal(retryAfterMs(header, now), null);
  });
});
