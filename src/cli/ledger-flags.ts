import { z } from 'zod';
import { LedgerWriter } from '../server/telemetry/ledger/ledger-writer.ts';
import type { OptionRow } from './option-row.ts';

const MEBIBYTE = 1024 * 1024;

/** Whether and how `thinkgate serve` keeps a record of every request. */
export const ledgerFlagsShape = {
  ledger: z.string().min(1).optional(),
  ledgerFsync: z.enum(['always', 'interval', 'never']),
  ledgerFileMb: z.coerce.number().positive(),
  ledgerFiles: z.coerce.number().int().min(1),
} as const;

const ledgerFlags = z.object(ledgerFlagsShape);

export const LEDGER_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--ledger <folder>',
    env: 'THINKGATE_LEDGER',
    description: 'keep one line of every request there, without its texts, for `thinkgate report`',
  },
  {
    flags: '--ledger-fsync <policy>',
    env: 'THINKGATE_LEDGER_FSYNC',
    description: 'when it is forced to the disk: always (each request), interval (1 s) or never',
    default: 'interval',
  },
  {
    flags: '--ledger-file-mb <size>',
    env: 'THINKGATE_LEDGER_FILE_MB',
    description: 'size at which a file of the ledger is followed by a new one',
    default: '64',
  },
  {
    flags: '--ledger-files <count>',
    env: 'THINKGATE_LEDGER_FILES',
    description: 'files of the ledger that are kept; the oldest go',
    default: '32',
  },
];

/**
 * @returns null without a ledger
 * @throws Error naming the option where the folder cannot be used
 */
export function openLedger(flags: z.output<typeof ledgerFlags>): LedgerWriter | null {
  if (flags.ledger === undefined) return null;
  try {
    return new LedgerWriter({
      folder: flags.ledger,
      fsync: flags.ledgerFsync,
      maxFileBytes: flags.ledgerFileMb * MEBIBYTE,
      maxFiles: flags.ledgerFiles,
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`--ledger ${flags.ledger}: the folder cannot be written to (${why}).`);
  }
}
