import { readdirSync } from 'node:fs';
import path from 'node:path';

const SEGMENT = /^requests-\d{8}T\d{9}Z-\d+-\d{6}\.jsonl$/;

/**
 * Name of a ledger file. The time it was begun comes first, so that names sort by age; the process and a count keep two
 * servers, or two files of one millisecond, apart.
 */
export function segmentName(begun: Date, pid: number, count: number): string {
  const time = begun.toISOString().replace(/[-:.]/g, '');
  return `requests-${time}-${pid}-${String(count).padStart(6, '0')}.jsonl`;
}

/** Paths of the ledger files of a folder, the oldest first. Other files are left alone. */
export function segmentsOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => SEGMENT.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}
