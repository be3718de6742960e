import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import { ApiError } from '../http/errors.ts';
import type { ServedModel } from '../http/served-model.ts';
import type { HttpSettings } from '../http/settings.ts';

interface LimitContext {
  readonly model: Pick<ServedModel, 'engine'>;
  readonly settings: HttpSettings;
  readonly fitsMaxTokens?: boolean;
}

/** Most tokens the request can come to, before its prompt is written. */
export function upperLimit(body: ChatCompletionRequest, { model, settings }: LimitContext): number {
  const { slotCapacity } = model.engine.limits;
  const asked = askedMaxTokens(body) ?? settings.defaultMaxTokens ?? slotCapacity;
  return Math.min(asked, slotCapacity);
}

function askedMaxTokens(body: ChatCompletionRequest): number | null {
  return body.max_completion_tokens ?? body.max_tokens ?? null;
}

/** @throws ApiError when prompt and output do not fit into a slot */
export function resolveMaxTokens(
  body: ChatCompletionRequest,
  numPromptTokens: number,
  { model, settings, fitsMaxTokens }: LimitContext,
): number {
  const capacity = model.engine.limits.slotCapacity;
  const left = capacity - numPromptTokens;
  const asked = askedMaxTokens(body);
  if (left < 1) {
    throw tooLong(
      `The prompt has ${numPromptTokens} tokens and leaves no room for an answer`,
      capacity,
    );
  }
  if (asked !== null && asked > left) {
    if (fitsMaxTokens === true) return left;
    const both = `${numPromptTokens} tokens of prompt and ${asked} of output are ${numPromptTokens + asked}`;
    throw tooLong(both, capacity);
  }
  return asked ?? Math.min(left, settings.defaultMaxTokens ?? left);
}

function tooLong(found: string, capacity: number): ApiError {
  return new ApiError(
    'context_length_exceeded',
    `${found}; this server holds ${capacity} tokens per request.`,
    { param: 'messages' },
  );
}

/** Tokens that thinking cannot eat: the operator's share, and at least what the request wants of the answer. */
export function answerFloor(
  maxTokens: number,
  { answerFloor: floor }: HttpSettings,
  minTokens: number,
): number {
  const share = Math.min(floor.tokens, Math.floor(maxTokens * floor.share));
  return Math.min(maxTokens, Math.max(share, minTokens));
}

/** @throws ApiError when the answer cannot be as long as it must be */
export function resolveMinTokens({ min_tokens }: ChatCompletionRequest, maxTokens: number): number {
  const least = min_tokens ?? 0;
  if (least <= maxTokens) return least;
  throw new ApiError(
    'conflicting_parameters',
    `\`min_tokens\` must be at most the ${maxTokens} tokens that may be generated; got ${least}.`,
    { param: 'min_tokens' },
  );
}
