/**
 * Writes a random bfloat16 checkpoint of R-4B's exact shapes (9.6 GB), to measure conversion and serving at full size
 * without a download: `node dist/test/full-size/write-r4b-checkpoint.js <folder>`.
 */
import { writeR4bCheckpoint } from '../helpers/r4b-checkpoint.ts';

const [dir] = process.argv.slice(2);
if (dir === undefined) {
  process.stderr.write('usage: write-r4b-checkpoint <folder>\n');
  process.exitCode = 1;
} else {
  process.stdout.write(`${await writeR4bCheckpoint(dir)} parameters in ${dir}\n`);
}
