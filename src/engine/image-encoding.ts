import type { ModelRunner } from './model-runner.ts';
import type { PromptImage } from './sequence.ts';

/**
 * Encodes the next `count` tiles of an image; with its last tile the features are packed.
 * @throws Error when the packed features are not float32 [numTokens, hiddenSize].
 */
export async function encodeTiles(
  runner: ModelRunner,
  image: PromptImage,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  const { source, encoded } = image;
  encoded.push(await runner.encodeTiles(source, image.numEncoded, count, signal));
  image.numEncoded += count;
  if (image.numEncoded < source.numTiles) return;
  const packed = runner.packFeatures(source, concatenate(encoded));
  const expected = source.numTokens * runner.limits.hiddenSize;
  if (packed.length !== expected) {
    throw new Error(
      `An image of ${source.numTokens} tokens must have ${expected} feature values, got ${packed.length}.`,
    );
  }
  image.packed = packed;
  encoded.length = 0;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
