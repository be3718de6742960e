/** The report of `convert --report`. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { builtinPrompts } from '../converter/quantization/quality/builtin-prompts.ts';
import type { CalibrationPrompt } from '../converter/quantization/quality/calibration-prompts.ts';
import { formatFloat16Report } from '../converter/quantization/quality/float16/float16-report.ts';
import {
  type Float16Report,
  measureFloat16,
} from '../converter/quantization/quality/float16/measure-float16.ts';
import {
  type DecoderQuality,
  measureQuality,
  type QualityReport,
} from '../converter/quantization/quality/measure-quality.ts';
import { formatReport } from '../converter/quantization/quality/quality-report.ts';
import type { StorageError } from '../converter/quantization/storage-error.ts';
import { openBackend } from '../engine/runtime/backend.ts';
import type { Backend } from '../engine/runtime/session.ts';
import type { Manifest } from '../package/manifest.ts';

export interface ConversionReportOptions {
  readonly checkpointDir: string;
  /** Manifest of the package that was converted from the checkpoint. */
  readonly manifest: Manifest;
  readonly outDir: string;
  /** Undefined for the built-in prompts. */
  readonly prompts: readonly CalibrationPrompt[] | undefined;
  readonly errors: readonly StorageError[];
  readonly signal: AbortSignal;
}

/** Prints the report and writes it beside the package, not into it. */
export async function writeReport(options: ConversionReportOptions): Promise<void> {
  const path = resolve(options.outDir);
  const { backend } = await openBackend('auto');
  const common = {
    ...{ checkpointDir: options.checkpointDir, signal: options.signal, backend },
    scratchParent: dirname(path),
    numThreads: availableParallelism(),
  };
  const quality = await measureWeights(options, common);
  process.stdout.write(`\n${formatReport(quality)}\n`);
  const float16 = options.manifest.gpu && (await tryFloat16(options, common));
  if (float16) process.stdout.write(`${formatFloat16Report(float16)}\n`);
  const file = `${path}.report.json`;
  await writeFile(file, `${JSON.stringify({ ...quality, float16 }, null, 2)}\n`);
  process.stdout.write(`wrote ${file}\n`);
}

interface Common {
  readonly checkpointDir: string;
  readonly backend: Backend;
  readonly signal: AbortSignal;
  readonly scratchParent: string;
  readonly numThreads: number;
}

async function measureWeights(
  { manifest, errors: tensors }: ConversionReportOptions,
  common: Common,
): Promise<QualityReport> {
  const { precision, blockSize } = manifest;
  const measure = (what: string, int8Linears: boolean): Promise<DecoderQuality> =>
    measureQuality({
      ...common,
      ...{ precision, blockSize, int8Linears },
      onProgress: (done, total) =>
        process.stderr.write(`${what}: measured ${done} of ${total} layers\n`),
    });
  const decoder = await measure('decoder', false);
  const prefill = manifest.prefill && (await measure('prefill graph', true));
  return { ...decoder, precision, prefill, tensors };
}

function tryFloat16(
  { manifest, outDir, prompts }: ConversionReportOptions,
  common: Common,
): Promise<Float16Report> {
  return measureFloat16({
    ...common,
    ...{ packageDir: resolve(outDir), manifest },
    prompts: prompts ?? builtinPrompts(manifest.vision),
    onProgress: (done, total) => process.stderr.write(`float16: ${done} of ${total} steps\n`),
  });
}
