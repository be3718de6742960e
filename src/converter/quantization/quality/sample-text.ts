/** The sample text on which quantisation is measured, and its embeddings. */
import { join } from 'node:path';
import type { BlockSize, Precision } from '../../../package/manifest.ts';
import { loadTokenizer } from '../../../server/prompt/tokenizer.ts';
import { EMBEDDING } from '../../checkpoint/expected-tensors.ts';
import type { ModelTensors } from '../../checkpoint/match-tensors.ts';
import { embeddingForm } from '../../onnx/embed-graph.ts';
import { float16ToFloat32, float32ToFloat16 } from '../../weights/float-formats.ts';
import { type BlockFormat, dequantizeRows, quantizeRows } from '../block-quantizer.ts';
import type { Streams } from './decoder-errors.ts';

export const SAMPLE_TOKENS = 96;

const SAMPLE = `<think>
The image shows three numbers: 14, 27 and 35. First I add 14 and 27, which is 41. Then I add 35, which is 76.
</think>
The sum is 76. In code: \`const sum = [14, 27, 35].reduce((a, b) => a + b, 0);\` — on a train from Zürich to 東京 one would
need about 9,600 km of track, a ferry, and patience. How many red circles are left of the blue square? There are two.`;

/** Token ids of the sample text, repeated up to the fixed length. */
export async function sampleTokens(checkpointDir: string): Promise<number[]> {
  const tokenizer = await loadTokenizer(join(checkpointDir, 'tokenizer.json'));
  const once = tokenizer.encode(SAMPLE);
  return Array.from({ length: SAMPLE_TOKENS }, (_, i) => once[i % once.length]!);
}

/** Embeddings of the ids, from the checkpoint and from a package of this precision. */
export async function embeddingsOf(
  tensors: ModelTensors,
  tokenIds: readonly number[],
  { precision, blockSize }: { precision: Precision; blockSize: BlockSize },
): Promise<Streams> {
  const table = tensors.get(EMBEDDING);
  const hiddenSize = table.shape[1]!;
  const reference = new Float32Array(tokenIds.length * hiddenSize);
  for (const [row, id] of tokenIds.entries()) {
    reference.set(await table.read(id * hiddenSize, hiddenSize), row * hiddenSize);
  }
  const form = embeddingForm(precision, { hiddenSize, tied: tensors.tied, blockSize });
  return { reference, quantized: asStored(reference, hiddenSize, { form, blockSize }) };
}

function asStored(
  values: Float32Array,
  columns: number,
  { form, blockSize }: { form: Precision; blockSize: BlockSize },
): Float32Array {
  if (form === 'fp32') return values.slice();
  if (form === 'fp16') {
    const halves = new Uint16Array(values.length);
    const out = new Float32Array(values.length);
    float32ToFloat16(values, halves);
    float16ToFloat32(halves, out);
    return out;
  }
  const format: BlockFormat = { bits: form === 'int8' ? 8 : 4, blockSize };
  return dequantizeRows(quantizeRows(values, columns, format), columns, format);
}
