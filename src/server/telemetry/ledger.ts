import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import type { RequestLog, RequestLogEntry } from './request-log.ts';

/** When records are forced to the disk: with every record, once a second, or when the operating system decides. */
export type FsyncPolicy = 'always' | 'interval' | 'never';

export interface LedgerSettings {
  readonly folder: string;
  readonly fsync: FsyncPolicy;
  /** Size at which a file is closed and a new one begins. */
  readonly maxFileBytes: number;
  /** Files kept in the folder, the current one included; the oldest are deleted. */
  readonly maxFiles: number;
}

const FSYNC_INTERVAL_MS = 1000;

const SEGMENT = /^requests-\d{8}T\d{9}Z-\d+-\d{6}\.jsonl$/;

interface Segment {
  readonly descriptor: number;
  size: number;
}

/**
 * An append-only record of requests: one JSON object a line, in files that are never written again once they are full.
 * When `append` returns, the operating system holds the record, so it survives any end of this process. The fsync
 * policy says whether it survives a power failure.
 */
export class LedgerWriter {
  readonly #settings: LedgerSettings;
  readonly #timer: NodeJS.Timeout | null;
  #segment: Segment | null = null;
  #count = 0;
  #isUnsynced = false;

  /** @throws Error (ENOENT, EACCES, …) when the folder cannot be created or written */
  constructor(settings: LedgerSettings) {
    this.#settings = settings;
    mkdirSync(settings.folder, { recursive: true, mode: 0o750 });
    this.#open();
    this.#timer =
      settings.fsync === 'interval'
        ? setInterval(() => this.#syncQuietly(), FSYNC_INTERVAL_MS).unref()
        : null;
  }

  /** @throws Error (ENOSPC, EIO, …) when the record cannot be written; the next call opens a new file */
  append(record: object): void {
    const segment = this.#segment ?? this.#open();
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    try {
      for (let written = 0; written < line.length; ) {
        written += writeSync(segment.descriptor, line, written);
      }
      segment.size += line.length;
      this.#isUnsynced = true;
      if (this.#settings.fsync === 'always') this.#sync();
    } catch (error) {
      // The file may end in half a line, so later records go to a new one.
      this.#closeSegment();
      throw error;
    }
    if (segment.size >= this.#settings.maxFileBytes) this.#rotate();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#settings.fsync !== 'never') this.#syncQuietly();
    this.#closeSegment();
  }

  #open(): Segment {
    const { folder, maxFiles } = this.#settings;
    this.#segment = { descriptor: this.#create(), size: 0 };
    for (const old of segmentsOf(folder).slice(0, -maxFiles)) rmSync(old, { force: true });
    return this.#segment;
  }

  /** Creates a file that no other run and no other server uses. */
  #create(): number {
    for (;;) {
      const name = segmentName(new Date(), process.pid, this.#count++);
      try {
        return openSync(path.join(this.#settings.folder, name), 'ax', 0o640);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
    }
  }

  #rotate(): void {
    if (this.#settings.fsync !== 'never') this.#syncQuietly();
    this.#closeSegment();
  }

  #closeSegment(): void {
    if (this.#segment !== null) closeSync(this.#segment.descriptor);
    this.#segment = null;
  }

  #sync(): void {
    if (!this.#isUnsynced || this.#segment === null) return;
    fdatasyncSync(this.#segment.descriptor);
    this.#isUnsynced = false;
  }

  /** Ignores a failing disk: a timer has no caller to report to, and the next append fails as well. */
  #syncQuietly(): void {
    try {
      this.#sync();
    } catch {
      this.#isUnsynced = true;
    }
  }
}

/**
 * Name of a ledger file. The time of its creation comes first, so that names sort by age. The process id and a count
 * tell two servers, or two files of one millisecond, apart.
 */
function segmentName(begun: Date, pid: number, count: number): string {
  const time = begun.toISOString().replace(/[-:.]/g, '');
  return `requests-${time}-${pid}-${String(count).padStart(6, '0')}.jsonl`;
}

/** Paths of the ledger files of a folder, the oldest first. Other files are ignored. */
export function segmentsOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => SEGMENT.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

/** A request log entry with the time at which the request ended (ISO 8601, UTC). */
interface LedgerRecord extends RequestLogEntry {
  readonly time: string;
}

/**
 * A request log that also appends every entry to a ledger, before the reply ends. When the ledger cannot be written,
 * the server answers requests all the same; the log says so once, and once more when the ledger works again.
 */
export function withLedger(log: RequestLog, ledger: Pick<LedgerWriter, 'append'>): RequestLog {
  let numLost = 0;
  const keep = (entry: RequestLogEntry): void => {
    try {
      ledger.append({ time: new Date().toISOString(), ...entry } satisfies LedgerRecord);
      if (numLost > 0) {
        log.note('warn', `the ledger is written again; it lacks ${numLost} requests`);
      }
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
