import { randomInt } from 'node:crypto';
import type { SamplingParams } from '../../engine/sampling/params.ts';
import type { Manifest } from '../../package/manifest.ts';
import type { ModeRow } from '../../package/protocol.ts';
import { ApiError } from '../http/errors.ts';
import type { SamplingFields } from './chat-request.ts';

export interface SamplingContext {
  /** Defaults of the package. */
  readonly defaults: Manifest['sampling'];
  /** Defaults of the thinking mode; they outrank the package's. */
  readonly ofMode: NonNullable<ModeRow['sampling']>;
  readonly vocabSize: number;
}

const SEED_LIMIT = 2 ** 32;

/**
 * Sampling parameters of a request, filled up with the defaults of mode and package. A request without a seed gets a
 * random one.
 * @throws ApiError for a `logit_bias` whose keys are not token ids of the model
 */
export function resolveSampling(
  asked: SamplingFields,
  { defaults, ofMode, vocabSize }: SamplingContext,
): SamplingParams {
  return {
    temperature: asked.temperature ?? ofMode.temperature ?? defaults.temperature,
    topP: asked.topP ?? ofMode.topP ?? defaults.topP,
    topK: Math.max(0, asked.topK ?? ofMode.topK ?? defaults.topK),
    minP: asked.minP ?? 0,
    repetitionPenalty:
      asked.repetitionPenalty ?? ofMode.repetitionPenalty ?? defaults.repetitionPenalty,
    presencePenalty: asked.presencePenalty ?? 0,
    frequencyPenalty: asked.frequencyPenalty ?? 0,
    logitBias: resolveLogitBias(asked.logitBias, vocabSize),
    seed: asked.seed ?? randomInt(SEED_LIMIT),
  };
}

function resolveLogitBias(
  bias: Readonly<Record<string, number>>,
  vocabSize: number,
): ReadonlyMap<number, number> {
  const entries = Object.entries(bias).map(([key, value]): [number, number] => {
    const tokenId = /^\d{1,9}$/.test(key) ? Number(key) : -1;
    if (tokenId < 0 || tokenId >= vocabSize) {
      throw new ApiError(
        'invalid_value',
        `\`logit_bias\` has the key ${JSON.stringify(key.slice(0, 40))}; keys are token ids from 0 to ${vocabSize - 1}.`,
        { param: 'logit_bias' },
      );
    }
    return [tokenId, value];
  });
  return new Map(entries);
}
