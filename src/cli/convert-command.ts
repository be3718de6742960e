import { type Command, Option } from 'commander';
import { convertCheckpoint } from '../converter/convert-checkpoint.ts';
import type { CalibrationPrompt } from '../converter/quantization/quality/calibration-prompts.ts';
import type { StorageError } from '../converter/quantization/storage-error.ts';
import { formatBytes } from '../package/describe.ts';
import {
  BLOCK_SIZES,
  type BlockSize,
  type Manifest,
  PRECISIONS,
  PREFILL_FORMS,
  type Precision,
  type PrefillForm,
  STREAM_TYPES,
  type StreamType,
} from '../package/manifest.ts';
import { BUILTIN_PROTOCOLS } from '../package/protocols/builtin-protocols.ts';
import { integer } from './arguments.ts';
import { writeReport } from './conversion-report.ts';
import { bytesProgress, ProgressBar } from './progress-bar.ts';
import { questionPrompts } from './question-prompts.ts';

interface ConvertFlags {
  readonly out: string;
  readonly precision: Precision;
  readonly blockSize?: string;
  readonly gpu: boolean;
  readonly gpuStream: StreamType;
  readonly prefill?: PrefillForm;
  readonly name?: string;
  readonly protocol?: string;
  readonly force?: boolean;
  readonly report?: boolean;
  readonly questions?: string;
  readonly limit: number;
}

/** Adds `thinkgate convert <checkpoint>`. */
export function registerConvert(program: Command): void {
  program
    .command('convert')
    .description('turn a Hugging Face checkpoint (R-4B or Qwen3) into a model package')
    .argument('<checkpoint>', 'folder with config.json, safetensors and tokenizer')
    .requiredOption('--out <package>', 'Package folder to write.')
    .addOption(
      new Option('--precision <precision>', 'Precision of the stored weights.')
        .choices(PRECISIONS)
        .default('int4'),
    )
    .option('--no-gpu', 'Leave out the float16 graphs for GPUs (fp32 packages have none).')
    .addOption(
      new Option(
        '--gpu-stream <type>',
        'Type of the residual stream on GPUs: float32 cannot overflow, float16 is faster.',
      )
        .choices(STREAM_TYPES)
        .default('float32'),
    )
    .addOption(
      new Option(
        '--block-size <weights>',
        'Weights for each scale of an int8 or int4 decoder: larger is faster and less exact (default: 32).',
      ).choices(BLOCK_SIZES.map(String)),
    )
    .option('--name <name>', 'Name of the model (default: the name of the package folder).')
    .addOption(
      new Option(
        '--protocol <name>',
        'Thinking protocol (default: from the chat template and the architecture).',
      ).choices(Object.keys(BUILTIN_PROTOCOLS)),
    )
    .addOption(
      new Option(
        '--prefill <form>',
        'Add a prefill graph: prefill is several times faster, at one byte of disk and memory for each weight.',
      ).choices(PREFILL_FORMS),
    )
    .option('--force', 'Replace an existing package.')
    .option(
      '--report',
      'Measure the error of the precision and of float16 on a GPU; write <package>.report.json.',
    )
    .option(
      '--questions <file>',
      'Prompts of the report for float16, in the format of `eval` (default: built-in prompts).',
    )
    .option('--limit <count>', 'Most questions taken, evenly spread over the file.', integer(1), 32)
    .action(runConvert);
}

async function runConvert(checkpointDir: string, flags: ConvertFlags): Promise<void> {
  const { out: outDir, report, ...rest } = flags;
  const prompts = await promptsFor(flags);
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
    if (report) {
      const { signal } = abort;
      await writeReport({ checkpointDir, manifest, outDir, prompts, errors, signal });
    }
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function blockSizeOf({ blockSize }: ConvertFlags): BlockSize | undefined {
  return BLOCK_SIZES.find((size) => String(size) === blockSize);
}

/** Reads the prompts before the long conversion, so that errors show early; undefined for the built-in ones. */
async function promptsFor(flags: ConvertFlags): Promise<CalibrationPrompt[] | undefined> {
  if (flags.questions === undefined) return undefined;
  if (!flags.report) throw new Error('--questions are for the --report, which was not asked for');
  if (flags.precision === 'fp32' || !flags.gpu) {
    throw new Error(
      '--questions try float16 on a GPU, for which this package would have no graphs',
    );
  }
  return questionPrompts(flags.questions, flags.limit);
}

function summary(manifest: Manifest, outDir: string): string {
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  const notes = manifest.provenance.notes.map((note) => `note: ${note}\n`).join('');
  return `${notes}wrote ${outDir}: ${manifest.name}, ${manifest.precision}, thinking as ${manifest.thinking.name}, ${formatBytes(bytes)}\n`;
}
