import { ApiError } from '../http/errors.ts';
import type { ServedModel } from '../http/served-model.ts';
import type { HttpSettings } from '../http/settings.ts';
import type { RequestLimits } from './chat-request.ts';

export interface LimitContext {
  readonly model: Pick<ServedModel, 'engine'>;
  readonly settings: HttpSettings;
  /** Cuts `maxTokens` to what the prompt leaves, instead of rejecting the request. */
  readonly fitsMaxTokens?: boolean;
}

type MaxTokens = Pick<RequestLimits, 'maxTokens'>;

/** Most tokens that a request can generate, before the length of its prompt is known. */
export function upperLimit({ maxTokens }: MaxTokens, { model, settings }: LimitContext): number {
  const { slotCapacity } = model.engine.limits;
  return Math.min(maxTokens ?? settings.defaultMaxTokens ?? slotCapacity, slotCapacity);
}

/**
 * Most tokens that a request generates after its prompt.
 * @param prompt its length, and the field that holds it
 * @throws ApiError where prompt and output do not fit into a slot
 */
export function resolveMaxTokens(
  { maxTokens: asked }: MaxTokens,
  prompt: { readonly numTokens: number; readonly field: string },
  { model, settings, fitsMaxTokens }: LimitContext,
): number {
  const { numTokens } = prompt;
  const capacity = model.engine.limits.slotCapacity;
  const left = capacity - numTokens;
  const reject = (found: string): ApiError =>
    new ApiError(
      'context_length_exceeded',
      `${found}; this server holds ${capacity} tokens per request.`,
      { param: prompt.field },
    );
  if (left < 1) throw reject(`The prompt has ${numTokens} tokens and leaves no room for an answer`);
  if (asked !== null && asked > left) {
    if (fitsMaxTokens === true) return left;
    const total = numTokens + asked;
    throw reject(`${numTokens} tokens of prompt and ${asked} of output are ${total}`);
  }
  return asked ?? Math.min(left, settings.defaultMaxTokens ?? left);
}

/** Tokens that thinking cannot use: the operator's share, and at least the answer that the request asks for. */
export function answerFloor(
  maxTokens: number,
  { answerFloor: floor }: Pick<HttpSettings, 'answerFloor'>,
  minTokens: number,
): number {
  const share = Math.min(floor.tokens, Math.floor(maxTokens * floor.share));
  return Math.min(maxTokens, Math.max(share, minTokens));
}

/** @throws ApiError where the answer cannot be as long as it must be */
export function resolveMinTokens(
  { minTokens }: Pick<RequestLimits, 'minTokens'>,
  maxTokens: number,
): number {
  if (minTokens <= maxTokens) return minTokens;
  throw new ApiError(
    'conflicting_parameters',
    `\`min_tokens\` must be at most the ${maxTokens} tokens that may be generated; got ${minTokens}.`,
    { param: 'min_tokens' },
  );
}

/** @throws ApiError for an id that is no token of the model */
export function resolveStopTokens(
  { stopTokenIds }: Pick<RequestLimits, 'stopTokenIds'>,
  vocabSize: number,
): readonly number[] {
  const index = stopTokenIds.findIndex((id) => id >= vocabSize);
  if (index < 0) return stopTokenIds;
  const field = `stop_token_ids[${index}]`;
  throw new ApiError(
    'invalid_value',
    `\`${field}\` must be a token id from 0 to ${vocabSize - 1}; got ${stopTokenIds[index]}.`,
    { param: field },
  );
}

/**
 * The number of choices of a reply.
 * @throws ApiError for more than the operator allows
 */
export function resolveChoices(
  numChoices: number | null,
  { maxChoices }: Pick<HttpSettings, 'maxChoices'>,
): number {
  const count = numChoices ?? 1;
  if (count <= maxChoices) return count;
  const message = `\`n\` must be at most ${maxChoices} on this server; got ${count}.`;
  throw new ApiError('invalid_value', message, { param: 'n' });
}
