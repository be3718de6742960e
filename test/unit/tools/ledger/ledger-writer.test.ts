import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import {
  type LedgerSettings,
  LedgerWriter,
  withLedger,
} from '../../../../src/server/telemetry/ledger.ts';
import type { RequestLog, RequestLogEntry } from '../../../../src/server/telemetry/request-log.ts';
import { readLedger } from '../../../../src/tools/ledger-report/read-ledger.ts';
import { ledgerRecord } from '../../../helpers/ledger-record.ts';
import { scratchDir } from '../../../helpers/scratch-dir.ts';

const SETTINGS = { fsync: 'never', maxFileBytes: 1e6, maxFiles: 3 } as const;

async function timesOf(path: string): Promise<{ times: string[]; bad: string[] }> {
  const times: string[] = [];
  const bad: string[] = [];
  const onBadLine = (file: string, line: number): void => {
    bad.push(`${file}:${line}`);
  };
  for await (const record of readLedger({ path, since: null, until: null, onBadLine })) {
    times.push(record.time);
  }
  return { times, bad };
}

function second(index: number): string {
  return new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString();
}

describe('The ledger', () => {
  for (const fsync of ['always', 'interval', 'never'] as const) {
    test(`holds every record as soon as append returns, with fsync ${fsync}`, async (t) => {
      const folder = path.join(scratchDir(t), 'made', 'on', 'demand');
      const writer = new LedgerWriter({ ...SETTINGS, folder, fsync });
      t.after(() => writer.close());
      for (let index = 0; index < 3; index++) {
        writer.append(ledgerRecord({ time: second(index) }));
        assert.deepEqual((await timesOf(folder)).times.at(-1), second(index));
      }
    });
  }

  test('begins a new file when one is full, keeps the newest files and ignores other files', async (t) => {
    const folder = scratchDir(t);
    writeFileSync(path.join(folder, 'notes.txt'), 'mine');
    const size = Buffer.byteLength(`${JSON.stringify(ledgerRecord({ time: second(0) }))}\n`);
    const settings: LedgerSettings = { ...SETTINGS, folder, maxFileBytes: 2 * size };
    const writer = new LedgerWriter(settings);
    for (let index = 0; index < 9; index++) writer.append(ledgerRecord({ time: second(index) }));
    writer.close();
    // Four full files and one with the ninth; three are kept.
    assert.deepEqual(
      (await timesOf(folder)).times,
      [4, 5, 6, 7, 8].map((index) => second(index)),
    );
    assert.equal(readFileSync(path.join(folder, 'notes.txt'), 'utf8'), 'mine');
  });

  test('never appends to a file of an earlier run', async (t) => {
    const folder = scratchDir(t);
    for (const index of [0, 1]) {
      const writer = new LedgerWriter({ ...SETTINGS, folder });
      writer.append(ledgerRecord({ time: second(index) }));
      writer.close();
    }
    assert.equal(readdirSync(folder).length, 2);
    assert.deepEqual((await timesOf(folder)).times, [second(0), second(1)]);
  });

  test('skips a truncated or damaged line and reports its position', async (t) => {
    const folder = scratchDir(t);
    const writer = new LedgerWriter({ ...SETTINGS, folder });
    writer.append(ledgerRecord({ time: second(0) }));
    writer.close();
    const [file = ''] = readdirSync(folder);
    const cut = JSON.stringify(ledgerRecord({ time: second(1) })).slice(0, 40);
    appendFileSync(path.join(folder, file), `{"time": 7}\n${cut}`);
    const { times, bad } = await timesOf(folder);
    assert.deepEqual(times, [second(0)]);
    assert.deepEqual(
      bad.map((place) => path.basename(place)),
      [`${file}:2`, `${file}:3`],
    );
  });

  test('throws when its folder cannot be created', (t) => {
    const file = path.join(scratchDir(t), 'file');
    writeFileSync(file, '');
    assert.throws(() => new LedgerWriter({ ...SETTINGS, folder: path.join(file, 'folder') }), {
      code: 'ENOTDIR',
    });
  });
});

test('withLedger logs requests while the ledger fails, and announces the failure and its end once', () => {
  const heard: string[] = [];
  const log: RequestLog = {
    write: (entry) => heard.push(`line ${entry.request_id}`),
    failure: (id, cause) => heard.push(`failure ${id} ${String(cause)}`),
    note: (level, message) => heard.push(`${level} ${message}`),
  };
  let isFull = true;
  const kept: object[] = [];
  const both = withLedger(log, {
    append: (record) => {
      if (isFull) throw new Error('ENOSPC');
      kept.push(record);
    },
  });
  const entry = (id: string): RequestLogEntry => ({
    ...(ledgerRecord({ time: second(0) }) as unknown as RequestLogEntry),
    request_id: id,
  });
  both.write(entry('a'));
  both.write(entry('b'));
  isFull = false;
  both.write(entry('c'));
  assert.deepEqual(heard, [
    'error the ledger cannot be written; requests are answered but not kept',
    'failure a Error: ENOSPC',
    'line a',
    'line b',
    'warn the ledger is written again; it lacks 2 requests',
    'line c',
  ]);
  assert.equal(kept.length, 1);
});
