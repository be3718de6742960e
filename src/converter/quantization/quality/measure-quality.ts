/**
 * Measures the error of a precision. Every decoder layer is built twice, with the checkpoint's weights and with the
 * package's, and the hidden states of a sample text pass through both. One layer is in memory at once.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Backend } from '../../../engine/runtime/session.ts';
import { type BlockSize, DEFAULT_BLOCK_SIZE, type Precision } from '../../../package/manifest.ts';
import { openCheckpointWeights } from '../../checkpoint/checkpoint-weights.ts';
import { matchTensors } from '../../checkpoint/match-tensors.ts';
import { readModelConfig } from '../../config/model-config.ts';
import type { StorageError } from '../storage-error.ts';
import { type LayerError, type LayerOptions, measureLogits, runLayer } from './decoder-errors.ts';
import type { LogitError } from './distances.ts';
import { embeddingsOf, sampleTokens } from './sample-text.ts';

/** Error of one decoder graph against the checkpoint. */
export interface DecoderQuality {
  /** Length of the sample text. */
  readonly numTokens: number;
  readonly layers: readonly LayerError[];
  readonly logits: LogitError;
}

export interface QualityReport extends DecoderQuality {
  readonly precision: Precision;
  /** Error of the prefill graph, if there is one. */
  readonly prefill?: DecoderQuality | undefined;
  /** Error of every stored weight. */
  readonly tensors: readonly StorageError[];
}

export interface QualityOptions {
  readonly checkpointDir: string;
  readonly precision: Precision;
  /** Block size of the package. */
  readonly blockSize?: BlockSize | undefined;
  /** Measures the prefill graph instead of the decoder. */
  readonly int8Linears?: boolean | undefined;
  readonly backend: Backend;
  /** Existing folder for temporary graphs of one layer (a few hundred megabytes for a 4B model). */
  readonly scratchParent: string;
  readonly numThreads: number;
  /** Receives the number of finished layers, before each layer and at the end. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws ConvertError for an unusable checkpoint, RuntimeError when a graph fails */
export async function measureQuality(options: QualityOptions): Promise<DecoderQuality> {
  const { checkpointDir, precision, backend, numThreads, signal, onProgress } = options;
  const { blockSize = DEFAULT_BLOCK_SIZE } = options;
  const config = await readModelConfig(checkpointDir);
  const weights = await openCheckpointWeights(checkpointDir);
  try {
    const tensors = await matchTensors(config, weights.tensors);
    const tokenIds = await sampleTokens(checkpointDir);
    const scratchDir = join(options.scratchParent, `.quality-${randomUUID()}`);
    const layerOptions: LayerOptions = {
      graphs: { backend, scratchDir, numThreads, blockSize, signal },
      tensors,
      text: { ...config.text, maxPositions: tokenIds.length },
      precision,
      int8Linears: options.int8Linears ?? false,
    };
    const { numLayers } = config.text;
    let streams = await embeddingsOf(tensors, tokenIds, { precision, blockSize });
    const layers: LayerError[] = [];
    for (let layer = 0; layer < numLayers; layer++) {
      onProgress?.(layer, numLayers);
      const { after, error } = await runLayer(layerOptions, layer, streams);
      streams = after;
      layers.push(error);
    }
    onProgress?.(numLayers, numLayers);
    const logits = await measureLogits(layerOptions, streams);
    return { numTokens: tokenIds.length, layers, logits };
  } finally {
    await weights.close();
  }
}
