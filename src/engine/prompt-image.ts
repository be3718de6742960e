import type { GenerationRequest } from './generation.ts';
import type { FeatureSpan, ModelRunner, TiledImage } from './model-runner.ts';
import { imageSpans } from './token-prefix.ts';

/** An image of the prompt on its way through the vision graph. */
export interface PromptImage {
  readonly source: TiledImage;
  /** Prompt position of its first placeholder. */
  readonly start: number;
  /** Features of the tiles encoded so far, float32 [count, featuresPerTile, hiddenSize] each. */
  readonly encoded: Float32Array[];
  numEncoded: number;
  /** float32 [numTokens, hiddenSize] once all tiles are encoded. */
  packed: Float32Array | null;
}

/** The images of a request, with their positions. The server guarantees that placeholders and images agree. */
export function promptImages(
  { promptTokenIds, images }: GenerationRequest,
  imageTokenId: number | null,
): PromptImage[] {
  const spans = imageSpans(promptTokenIds, images, imageTokenId);
  return images.map((source, index) => ({
    source,
    start: spans[index]?.start ?? -1,
    encoded: [],
    numEncoded: 0,
    packed: null,
  }));
}

/**
 * Encodes the next `count` tiles of an image and packs the features after its last tile.
 * @throws Error when the packed features are not float32 [numTokens, hiddenSize]
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

/** Features of the prompt rows [start, start + count). */
export function featuresWithin(
  images: readonly PromptImage[],
  start: number,
  count: number,
): FeatureSpan[] {
  const spans: FeatureSpan[] = [];
  for (const { source, start: first, packed } of images) {
    const { numTokens } = source;
    const from = Math.max(start, first);
    const to = Math.min(start + count, first + numTokens);
    if (from >= to || packed === null) continue;
    const width = packed.length / numTokens;
    const rows = packed.subarray((from - first) * width, (to - first) * width);
    spans.push({ offset: from - start, rows });
  }
  return spans;
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
