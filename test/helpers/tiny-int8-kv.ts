import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { int8KvDecoder, type KvScales } from '../../src/converter/quantization/int8-kv-graph.ts';
import type { Manifest } from '../../src/package/manifest.ts';
import { TINY_SHAPE, type TinyPackage } from './tiny-model.ts';

/** Scales of the tiny model, one per channel. Most of them clip values above `range`. */
export function tinyScales(range: number): KvScales[] {
  const width = TINY_SHAPE.numKvHeads * TINY_SHAPE.headDim;
  const scales = (phase: number): Float32Array =>
    Float32Array.from({ length: width }, (_, i) => (range * (1 + 0.2 * Math.sin(i + phase))) / 127);
  return Array.from({ length: TINY_SHAPE.numLayers }, (_, layer) => ({
    key: scales(layer),
    value: scales(layer + 7),
  }));
}

/** Writes a decoder with an int8 KV cache beside the package's own. @returns a manifest that names it */
export async function addInt8Kv(
  { packageDir, manifest }: TinyPackage,
  layers: readonly KvScales[],
): Promise<Manifest> {
  const decoder = await readFile(join(packageDir, manifest.graphs.decoder));
  await writeFile(join(packageDir, 'kv8.onnx'), int8KvDecoder(decoder, layers, TINY_SHAPE));
  return { ...manifest, int8Kv: { decoder: 'kv8.onnx' } };
}
