import { type Command, Option } from 'commander';
import { HUB_URL, pull } from '../converter/hub/pull.ts';
import { formatBytes } from '../package/describe.ts';
import { bytesProgress, ProgressBar } from './progress-bar.ts';

interface RawOptions {
  readonly out?: string;
  readonly revision: string;
  readonly token?: string;
  readonly hubUrl: string;
}

/** Adds `thinkgate pull <hub id>`. */
export function registerPull(program: Command): void {
  program
    .command('pull')
    .description('download a checkpoint from the Hugging Face hub, or resume its download')
    .argument('<id>', 'model on the hub, for example YannQi/R-4B')
    .option('--out <folder>', 'Folder to write (default: the name of the model).')
    .option('--revision <name>', 'Branch, tag or commit.', 'main')
    .addOption(
      new Option('--token <token>', 'Access token for private and gated models.').env('HF_TOKEN'),
    )
    .addOption(new Option('--hub-url <url>', 'URL of the hub.').env('HF_ENDPOINT').default(HUB_URL))
    .action(runPull);
}

async function runPull(id: string, raw: RawOptions): Promise<void> {
  const name = /^[\w.-]+\/([\w.-]+)$/.exec(id)?.[1];
  if (name === undefined) {
    throw new Error(`A model on the hub is named owner/name; got "${id}".`);
  }
  const outDir = raw.out ?? name;
  const bar = new ProgressBar(process.stderr);
  try {
    const { commit, files, fetchedBytes } = await pull({
      id,
      outDir,
      revision: raw.revision,
      token: raw.token,
      hubUrl: raw.hubUrl.replace(/\/+$/, ''),
      onProgress: ({ file, doneBytes, totalBytes }) =>
        bar.update(bytesProgress(doneBytes, totalBytes, file)),
    });
    bar.end();
    process.stdout.write(
      `${files.length} files of ${id} at ${commit.slice(0, 12)} are in ${outDir} (${formatBytes(fetchedBytes)} fetched).\n`,
    );
  } catch (error) {
    bar.end();
    throw error;
  }
}
