import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { convertCheckpoint } from '../exporter/convert-checkpoint.ts';
import type { StorageError } from '../exporter/weights/tensor-groups.ts';
import { BUILTIN_PROTOCOLS } from '../model-package/builtin-protocols.ts';
import { formatBytes } from '../model-package/describe.ts';
import {
  BLOCK_SIZES,
  type BlockSize,
  type Manifest,
  PRECISIONS,
  PREFILL_FORMS,
  type Precision,
  type PrefillForm,
} from '../model-package/manifest.ts';
import {
  type DecoderQuality,
  measureQuality,
  type QualityReport,
} from '../quality/measure-quality.ts';
import { formatReport } from '../quality/report-table.ts';
import { openBackend } from '../runtime/backend.ts';
import { bytesProgress, ProgressBar } from '../terminal/progress-bar.ts';

interface ConvertFlags {
  readonly out: string;
  readonly precision: Precision;
  readonly blockSize?: string;
  readonly gpu: boolean;
  readonly prefill?: PrefillForm;
  readonly name?: string;
  readonly protocol?: string;
  readonly force?: boolean;
  readonly report?: boolean;
}

/** Adds `thinkgate convert <checkpoint>`. */
export function registerConvert(program: Command): void {
  program
    .command('convert')
    .description('turn a Hugging Face checkpoint (R-4B or Qwen3) into a model package')
    .argument('<checkpoint>', 'folder with config.json, safetensors and tokenizer')
    .requiredOption('--out <package>', 'package folder to write')
    .addOption(
      new Option('--precision <precision>', 'how weights are stored')
        .choices(PRECISIONS)
        .default('int4'),
    )
    .option('--no-gpu', 'leave out the float16 graphs for GPUs (fp32 packages have none)')
    .addOption(
      new Option(
        '--block-size <weights>',
        'weights per scale of an int8 or int4 decoder: more are faster and less exact (default: 32)',
      ).choices(BLOCK_SIZES.map(String)),
    )
    .option('--name <name>', "model's name (default: the package folder's)")
    .addOption(
      new Option(
        '--protocol <name>',
        'thinking protocol (default: as the chat template and the architecture tell)',
      ).choices(Object.keys(BUILTIN_PROTOCOLS)),
    )
    .addOption(
      new Option(
        '--prefill <form>',
        'add a decoder for prompts: several times as fast, for a byte of disk and memory per weight',
      ).choices(PREFILL_FORMS),
    )
    .option('--force', 'replace an existing package')
    .option('--report', 'measure what the precision costs and write <package>.report.json')
    .action(runConvert);
}

async function runConvert(checkpointDir: string, flags: ConvertFlags): Promise<void> {
  const { out: outDir, report, ...rest } = flags;
  const blockSize = blockSizeOf(flags);
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new Error('The conversion was interrupted.'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const bar = new ProgressBar(process.stderr);
  const errors: StorageError[] = [];
  try {
    const manifest = await convertCheckpoint({
      ...rest,
      blockSize,
      checkpointDir,
      outDir,
      onProgress: ({ phase, doneBytes, totalBytes, tensor }) => {
        if (phase === 'writing') bar.update(bytesProgress(doneBytes, totalBytes, tensor ?? ''));
      },
      onStorageError: report ? (error) => errors.push(error) : undefined,
      signal: abort.signal,
    }).finally(() => bar.end());
    process.stdout.write(summary(manifest, outDir));
    if (report) await writeReport(checkpointDir, flags, { errors, signal: abort.signal });
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function blockSizeOf({ blockSize }: ConvertFlags): BlockSize | undefined {
  return BLOCK_SIZES.find((size) => String(size) === blockSize);
}

/** Prints the report and leaves it beside the package; it is no part of it. */
async function writeReport(
  checkpointDir: string,
  flags: ConvertFlags,
  { errors: tensors, signal }: { errors: readonly StorageError[]; signal: AbortSignal },
): Promise<void> {
  const { precision, prefill } = flags;
  const path = resolve(flags.out);
  const { backend } = await openBackend('auto');
  const measure = (what: string, int8Linears: boolean): Promise<DecoderQuality> =>
    measureQuality({
      checkpointDir,
      precision,
      blockSize: blockSizeOf(flags),
      int8Linears,
      backend,
      signal,
      scratchParent: dirname(path),
      numThreads: availableParallelism(),
      onProgress: (done, total) =>
        process.stderr.write(`${what}: measured ${done} of ${total} layers\n`),
    });
  const decoder = await measure('decoder', false);
  const prompts = prefill && (await measure('decoder for prompts', true));
  const report: QualityReport = { ...decoder, precision, prefill: prompts, tensors };
  const file = `${path}.report.json`;
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`\n${formatReport(report)}\nwrote ${file}\n`);
}

function summary(manifest: Manifest, outDir: string): string {
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  const notes = manifest.provenance.notes.map((note) => `note: ${note}\n`).join('');
  return `${notes}wrote ${outDir}: ${manifest.name}, ${manifest.precision}, thinking as ${manifest.thinking.name}, ${formatBytes(bytes)}\n`;
}
