/**
 * Writes the models the benchmark runs: a random one of Qwen3-0.6B's shape as packages of ours (int4, with a decoder for prompts), for
 * transformers.js (the same weights) and for llama.cpp (random Q4_0).
 *
 *   node dist/test/bench/models/write-models.js FOLDER [--layers 28]
 *
 * FOLDER gets `package`, `package-128` (larger blocks), `transformers-js` and `model.gguf`.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { convertCheckpoint } from '../../../src/converter/convert-checkpoint.ts';
import { writeGguf } from './gguf.ts';
import { qwenConfig, writeQwenCheckpoint } from './qwen-shape.ts';
import { writeTransformersJs } from './transformers-js.ts';

const { values, positionals } = parseArgs({
  options: { layers: { type: 'string', default: '28' } },
  allowPositionals: true,
});
const [folder] = positionals;
if (folder === undefined) throw new Error('usage: write-models FOLDER [--layers 28]');
const numLayers = Number(values.layers);
const at = (name: string): string => join(folder, name);

await mkdir(folder, { recursive: true });
if (!existsSync(at('checkpoint'))) await writeQwenCheckpoint(at('checkpoint'), numLayers);
for (const blockSize of [32, 128] as const) {
  await convertCheckpoint({
    checkpointDir: at('checkpoint'),
    outDir: at(blockSize === 32 ? 'package' : `package-${blockSize}`),
    precision: 'int4',
    blockSize,
    prefill: 'int8',
    name: 'qwen3-shape',
    protocol: 'R-4B',
    force: true,
  });
}
await writeTransformersJs(at('checkpoint'), at('transformers-js'));
await writeGguf(at('model.gguf'), qwenConfig(numLayers));
process.stdout.write(`${folder}: package, package-128, transformers-js, model.gguf\n`);
