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

/** What a report reads of a record; ledgers of other versions may hold more. */
const recordSchema = z.object({
  time: z.iso.datetime(),
  key_id: z.string().nullable(),
  model: z.string().nullable(),
  status: z.int(),
  error: z.string().nullable(),
  ...decisionShape,
  /** Each choice on its own, where there are several. */
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
  /** First and last moment, both included; null is open. */
  readonly since: Date | null;
  readonly until: Date | null;
  /** Told of a line that is no record: the end of a file that a crash of the machine cut, or somebody's edit. */
  readonly onBadLine: (file: string, line: number) => void;
}

/**
 * The records of a ledger's folder, or of one of its files, file by file.
 * @throws Error where the path cannot be read
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
