import type { TiledImage } from './model-runner.ts';

/** An image's run of placeholders in a sequence of tokens. */
export interface ImageSpan {
  /** Content hash: equal hashes have equal features. */
  readonly hash: string;
  /** Position of the first placeholder. */
  readonly start: number;
  readonly numTokens: number;
}

/** Positions of the images of a prompt: its runs of placeholders, matched with the images in order. */
export function imageSpans(
  promptTokenIds: Int32Array,
  images: readonly Pick<TiledImage, 'hash' | 'numTokens'>[],
  imageTokenId: number | null,
): ImageSpan[] {
  let position = 0;
  return images.map(({ hash, numTokens }) => {
    const start = promptTokenIds.indexOf(imageTokenId ?? -1, position);
    position = start + numTokens;
    return { hash, start, numTokens };
  });
}

/** Tokens from position 0 on, with the images of their placeholders in order of position. */
export interface TokenPrefix {
  readonly tokenIds: ArrayLike<number>;
  readonly images: readonly ImageSpan[];
}

/**
 * Number of leading positions that are the same to the model. A placeholder is the same only if it is the same row of
 * the same image. A span may reach past the end of its tokens, where a prompt is cut short.
 */
export function sharedPrefixLength(left: TokenPrefix, right: TokenPrefix): number {
  const most = Math.min(left.tokenIds.length, right.tokenIds.length);
  let shared = 0;
  while (shared < most && left.tokenIds[shared] === right.tokenIds[shared]) shared++;
  return Math.min(shared, firstOtherImage(left.images, right.images));
}

/** First position at which the images differ; infinite when they do not. */
function firstOtherImage(left: readonly ImageSpan[], right: readonly ImageSpan[]): number {
  const most = Math.max(left.length, right.length);
  for (let index = 0; index < most; index++) {
    const [one, other] = [left[index], right[index]];
    const same =
      one?.hash === other?.hash &&
      one?.start === other?.start &&
      one?.numTokens === other?.numTokens;
    if (!same) return Math.min(one?.start ?? Infinity, other?.start ?? Infinity);
  }
  return Infinity;
}
