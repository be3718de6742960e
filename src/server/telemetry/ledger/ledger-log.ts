import type { RequestLog, RequestLogEntry } from '../request-log.ts';
import type { LedgerWriter } from './ledger-writer.ts';

/** The request's log line with the time at which the request ended, ISO 8601 in UTC. */
export interface LedgerRecord extends RequestLogEntry {
  readonly time: string;
}

/**
 * A request log that keeps every line in a ledger as well, before the reply it tells of has ended. A ledger that cannot
 * be written is told once, and once more when it works again: requests are answered all the same.
 */
export function withLedger(log: RequestLog, ledger: Pick<LedgerWriter, 'append'>): RequestLog {
  let numLost = 0;
  const keep = (entry: RequestLogEntry): void => {
    try {
      ledger.append({ time: new Date().toISOString(), ...entry } satisfies LedgerRecord);
      if (numLost > 0)
        log.note('warn', `the ledger is written again; it lacks ${numLost} requests`);
      numLost = 0;
    } catch (error) {
      numLost++;
      if (numLost > 1) return;
      log.note('error', 'the ledger cannot be written; requests are answered but not kept');
      log.failure(entry.request_id, error);
    }
  };
  return {
    ...log,
    write: (entry) => {
      keep(entry);
      log.write(entry);
    },
  };
}
