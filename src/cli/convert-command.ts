import { type Command, Option } from 'commander';
import { convertCheckpoint } from '../exporter/convert-checkpoint.ts';
import { ProgressBar } from '../exporter/progress-bar.ts';
import { BUILTIN_PROTOCOLS } from '../model-package/builtin-protocols.ts';
import { formatBytes } from '../model-package/describe.ts';
import { type Manifest, PRECISIONS, type Precision } from '../model-package/manifest.ts';

interface ConvertFlags {
  readonly out: string;
  readonly precision: Precision;
  readonly name?: string;
  readonly protocol?: string;
  readonly force?: boolean;
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
    .option('--name <name>', "model's name (default: the package folder's)")
    .addOption(
      new Option('--protocol <name>', "thinking protocol (default: the architecture's)").choices(
        Object.keys(BUILTIN_PROTOCOLS),
      ),
    )
    .option('--force', 'replace an existing package')
    .action(runConvert);
}

async function runConvert(checkpointDir: string, flags: ConvertFlags): Promise<void> {
  const bar = new ProgressBar(process.stderr);
  const { out: outDir, ...rest } = flags;
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new Error('The conversion was interrupted.'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    const manifest = await convertCheckpoint({
      ...rest,
      checkpointDir,
      outDir,
      onProgress: (progress) => bar.update(progress),
      signal: abort.signal,
    });
    bar.end();
    process.stdout.write(summary(manifest, outDir));
  } catch (error) {
    bar.end();
    throw error;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function summary(manifest: Manifest, outDir: string): string {
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  const notes = manifest.provenance.notes.map((note) => `note: ${note}\n`).join('');
  return `${notes}wrote ${outDir}: ${manifest.name}, ${manifest.precision}, ${formatBytes(bytes)}\n`;
}
