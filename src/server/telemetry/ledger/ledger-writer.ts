import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { segmentName, segmentsOf } from './segment-files.ts';

/** When what was written is forced to the disk: with every record, once a second, or when the system sees fit. */
export type FsyncPolicy = 'always' | 'interval' | 'never';

export interface LedgerSettings {
  readonly folder: string;
  readonly fsync: FsyncPolicy;
  /** A file that has reached this size is followed by a new one. */
  readonly maxFileBytes: number;
  /** Files kept in the folder, the one being written included; the oldest go. */
  readonly maxFiles: number;
}

const FSYNC_INTERVAL_MS = 1000;

interface Segment {
  readonly descriptor: number;
  size: number;
}

/**
 * An append-only record of requests: one JSON object a line, in files that are never written again once they are full.
 * A record is with the operating system when `append` returns, so it outlives this process however that ends; whether
 * it outlives the machine's power is what the fsync policy says.
 */
export class LedgerWriter {
  readonly #settings: LedgerSettings;
  readonly #timer: NodeJS.Timeout | null;
  #segment: Segment | null = null;
  #count = 0;
  #isUnsynced = false;

  /** @throws Error (ENOENT, EACCES, …) where the folder cannot be made or written to */
  constructor(settings: LedgerSettings) {
    this.#settings = settings;
    mkdirSync(settings.folder, { recursive: true, mode: 0o750 });
    this.#open();
    this.#timer =
      settings.fsync === 'interval'
        ? setInterval(() => this.#syncQuietly(), FSYNC_INTERVAL_MS).unref()
        : null;
  }

  /** @throws Error (ENOSPC, EIO, …) where the record could not be written; the next one is tried anew */
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
      // Half a line may be there: what follows goes into a file of its own.
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

  /** A file that is nobody else's: not another run's, nor another server's of the same millisecond. */
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

  /** A disk that fails says so with the next record; there is nobody here to tell. */
  #syncQuietly(): void {
    try {
      this.#sync();
    } catch {
      this.#isUnsynced = true;
    }
  }
}
