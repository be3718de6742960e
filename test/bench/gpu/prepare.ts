/** Writes a random checkpoint, or converts it to a package. Runs as a process of its own. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { convertCheckpoint } from '../../../src/converter/convert-checkpoint.ts';
import type { Precision } from '../../../src/package/manifest.ts';
import { R4B_CONFIG, SMALL_R4B_CONFIG, writeR4bCheckpoint } from '../../helpers/r4b-checkpoint.ts';
import { jobArgument } from './sample.ts';

export interface PrepareJob {
  readonly checkpointDir: string;
  readonly size: 'full' | 'small';
  /** Converts the checkpoint to this package; without it the checkpoint is written. */
  readonly packageDir?: string;
  readonly precision?: Precision;
}

const { checkpointDir, size, packageDir, precision } = jobArgument<PrepareJob>();
if (packageDir === undefined) {
  // Renamed when it is whole, so that one whose writing was cut off is written again.
  const unfinished = `${checkpointDir}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await writeR4bCheckpoint(unfinished, size === 'full' ? R4B_CONFIG : SMALL_R4B_CONFIG);
  await rm(checkpointDir, { recursive: true, force: true });
  await rename(unfinished, checkpointDir);
} else if (!existsSync(packageDir)) {
  await convertCheckpoint({
    checkpointDir,
    outDir: packageDir,
    precision: precision ?? 'int4',
    name: `r4b-${size}`,
  });
}
