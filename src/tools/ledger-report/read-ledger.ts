import { createReadStream, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { segmentsOf } from '../../server/telemetry/ledger.ts';

const count = z.number().min(0);
const ms = z.number().nullable();

const decisionShape = {
  decision: z.string().nullable(),
  source: z.string().nullable(),
  p_think: z.number().nullable(),
  ended_by: z.string().nullable(),
};

/** The fields of a record that a report reads; ledgers of other versions may hold more. */
const recordSchema = z.object({
  time: z.iso.datetime(),
  key_id: z.string().nullable(),
  model: z.string().nullable(),
  status: z.int(),
  error: z.string().nullable(),
  ...decisionShape,
  /** One entry per generation, when there are several. */
  generations: z.array(z.object(decisionShape)),
  holdout_arm: z.enum(['auto', 'think']).nullable(),
  tokens: z.object({
    prompt: count,
    cached: count,
    preamble: count,
    reasoning: count,
    answer: count,
  }),
  ms: z.object({ first_answer: ms, total: z.number() }),
});

export type ReportRecord = z.output<typeof recordSchema>;

export interface LedgerReading {
  readonly path: string;
  /** Time range, both ends included; null is unbounded. */
  readonly since: Date | null;
  readonly until: Date | null;
  /** Called for a line that is not a record, for example one that a crash of the machine has truncated. */
  readonly onBadLine: (file: string, line: number) => void;
}

/**
 * Reads the records of a ledger folder, or of one of its files, oldest file first.
 * @throws Error when the path cannot be read
 */
export async function* readLedger(reading: LedgerReading): AsyncGenerator<ReportRecord, void> {
  const { path, since, until, onBadLine } = reading;
  const files = statSync(path).isDirectory() ? segmentsOf(path) : [path];
  for (const file of files) {
    const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
    let number = 0;
    for await (const line of lines) {
      number++;
      const record = parseRecord(line);
      if (record === null) onBadLine(file, number);
      else if (isWithin(new Date(record.time), since, until)) yield record;
    }
  }
}

function parseRecord(line: string): ReportRecord | null {
  try {
    return recordSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

function isWithin(time: Date, since: Date | null, until: Date | null): boolean {
  return (since === null || time >= since) && (until === null || time <= until);
}
