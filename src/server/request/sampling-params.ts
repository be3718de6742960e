import type { SamplingParams } from '../../engine/sampling/params.ts';
import type { Manifest } from '../../package/manifest.ts';
import type { ModeRow } from '../../package/protocol.ts';
import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import { ApiError } from '../http/errors.ts';

export interface SamplingContext {
  /** The package's. */
  readonly defaults: Manifest['sampling'];
  /** The mode's, which come before the package's. */
  readonly ofMode: NonNullable<ModeRow['sampling']>;
  readonly vocabSize: number;
  /** Asked where the request has no seed. */
  readonly freshSeed: () => number;
}

/** @throws ApiError for a `logit_bias` whose keys are not token ids of the model */
export function resolveSampling(
  body: ChatCompletionRequest,
  { defaults, ofMode, vocabSize, freshSeed }: SamplingContext,
): SamplingParams {
  return {
    temperature: body.temperature ?? ofMode.temperature ?? defaults.temperature,
    topP: body.top_p ?? ofMode.topP ?? defaults.topP,
    topK: Math.max(0, body.top_k ?? ofMode.topK ?? defaults.topK),
    minP: body.min_p ?? 0,
    repetitionPenalty:
      body.repetition_penalty ?? ofMode.repetitionPenalty ?? defaults.repetitionPenalty,
    presencePenalty: body.presence_penalty ?? 0,
    frequencyPenalty: body.frequency_penalty ?? 0,
    logitBias: resolveLogitBias(body.logit_bias ?? {}, vocabSize),
    seed: body.seed ?? freshSeed(),
  };
}

/** @throws ApiError for an id that is no token of the model */
export function resolveStopTokens(body: ChatCompletionRequest, vocabSize: number): number[] {
  const ids = body.stop_token_ids ?? [];
  const index = ids.findIndex((id) => id >= vocabSize);
  if (index < 0) return [...ids];
  throw new ApiError(
    'invalid_value',
    `\`stop_token_ids[${index}]\` must be a token id from 0 to ${vocabSize - 1}; got ${ids[index]}.`,
    { param: `stop_token_ids[${index}]` },
  );
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
