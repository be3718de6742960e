import type { GenerationRequest } from './generation.ts';
import type { ModelLimits, TiledImage } from './model-runner.ts';

/**
 * Why a request cannot be run, as a sentence; null when it can. The server has checked all of this already; the check
 * here keeps a mistake of the server out of the KV cache.
 */
export function requestProblem(
  request: GenerationRequest,
  limits: Pick<ModelLimits, 'slotCapacity'>,
  imageTokenId: number | null,
): string | null {
  const { promptTokenIds, maxTokens, images } = request;
  const { slotCapacity } = limits;
  if (promptTokenIds.length < 1) return 'The prompt has no tokens.';
  if (!(maxTokens >= 1)) return `At least 1 token must be generated, got ${maxTokens}.`;
  if (promptTokenIds.length + maxTokens > slotCapacity) {
    return `${promptTokenIds.length} prompt tokens and ${maxTokens} to generate do not fit the ${slotCapacity} positions of a slot.`;
  }
  return images.length === 0 ? null : imageProblem(promptTokenIds, images, imageTokenId);
}

/** Each image needs its run of placeholders, in order. */
function imageProblem(
  promptTokenIds: Int32Array,
  images: readonly TiledImage[],
  imageTokenId: number | null,
): string | null {
  if (imageTokenId === null) return `The model takes no images, got ${images.length}.`;
  let position = 0;
  for (const [index, { numTokens }] of images.entries()) {
    const start = promptTokenIds.indexOf(imageTokenId, position);
    const run = start < 0 ? [] : promptTokenIds.subarray(start, start + numTokens);
    const found = run.findIndex((id) => id !== imageTokenId);
    const length = found < 0 ? run.length : found;
    if (length < numTokens) {
      return `Image ${index} takes ${numTokens} placeholder tokens; the prompt has ${length} in its place.`;
    }
    position = start + numTokens;
  }
  return null;
}
