import type { ResolvedConfig } from '../../config/config.ts';
import { LedgerWriter, withLedger } from '../telemetry/ledger.ts';
import { OpenTelemetry } from '../telemetry/open-telemetry.ts';
import { createRequestLog, type RequestLog } from '../telemetry/request-log.ts';

const BYTES_PER_MB = 1024 * 1024;

/** Where a server records its requests. */
export interface Recorders {
  readonly requestLog: RequestLog;
  /** null without a collector */
  readonly tracer: OpenTelemetry | null;
  close(): Promise<void>;
}

/**
 * Opens the log, the ledger and the traces.
 * @throws Error naming the option where the ledger's folder cannot be used
 */
export function openRecorders(
  { log, ledger, tracing }: Pick<ResolvedConfig, 'log' | 'ledger' | 'tracing'>,
  version: string,
): Recorders {
  const plain = createRequestLog(log.level);
  const writer = openLedger(ledger);
  const requestLog = writer === null ? plain : withLedger(plain, writer);
  const { otlpTracesEndpoint: endpoint, traceShare: share } = tracing;
  const note = (message: string): void => requestLog.note('warn', message);
  const tracer = endpoint === null ? null : new OpenTelemetry({ endpoint, share, version, note });
  return {
    requestLog,
    tracer,
    close: async () => {
      writer?.close();
      await tracer?.close();
    },
  };
}

function openLedger(ledger: ResolvedConfig['ledger']): LedgerWriter | null {
  const { folder, fsync, fileMb, files } = ledger;
  if (folder === null) return null;
  try {
    return new LedgerWriter({
      folder,
      fsync,
      maxFileBytes: fileMb * BYTES_PER_MB,
      maxFiles: files,
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`--ledger ${folder}: the folder cannot be written to (${why}).`);
  }
}
