import type { TiledImage } from '../../../src/engine/model-runner.ts';
import type { Manifest } from '../../../src/package/manifest.ts';

/** Returns token ids that are the same in every run and on every device. Prompts with another `which` differ. */
export function promptTokens(manifest: Manifest, length: number, which = 0): Int32Array {
  return Int32Array.from({ length }, (_, index) => tokenAt(manifest, index, which));
}

/** Returns the id of an ordinary token. Control tokens come after these in Qwen's vocabulary. */
export function tokenAt({ text }: Manifest, position: number, which = 0): number {
  return 100 + ((position * 7919 + which * 104_729) % Math.min(20_000, text.vocabSize - 100));
}

/** Returns an image of `numTiles` tiles of noise. */
export function noiseImage({ vision }: Manifest, numTiles: number): TiledImage {
  const side = vision?.tileSize ?? 0;
  const tiles = Uint8Array.from(
    { length: numTiles * side * side * 3 },
    (_, index) => (index * 2_654_435_761) >>> 24,
  );
  return {
    hash: 'noise',
    tiles,
    numTiles,
    gridRows: 1,
    gridColumns: numTiles - 1,
    originalHeight: side,
    originalWidth: side * (numTiles - 1),
    numTokens: 0,
  };
}
