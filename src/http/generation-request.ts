import { randomInt } from 'node:crypto';
import type { GenerationRequest } from '../engine/generation.ts';
import type { SamplingParams } from '../sampling/params.ts';
import { ApiError } from './errors.ts';
import { toChatMessage } from './message-schema.ts';
import type { ChatCompletionRequest } from './request-schema.ts';
import type { ServedModel } from './served-model.ts';
import type { HttpSettings } from './settings.ts';
import { resolveThinking, type ThinkingOptions } from './thinking-options.ts';

const SEED_LIMIT = 2 ** 32;

export interface GenerationContext {
  readonly id: string;
  readonly model: ServedModel;
  readonly settings: HttpSettings;
  readonly signal: AbortSignal;
}

/**
 * Turns a checked body into the engine's input: messages become prompt tokens and tiles, defaults are filled from the
 * package, and everything that depends on the model is checked.
 * @throws ApiError for what the client can mend; ChatInputError from the chat room.
 */
export async function prepareGeneration(
  body: ChatCompletionRequest,
  context: GenerationContext,
): Promise<GenerationRequest> {
  const { model, settings, signal } = context;
  const thinking = resolveThinking(body, model.manifest.thinking);
  const sampling = resolveSampling(body, model, thinking);
  const prompt = await model.formatter.format({
    messages: body.messages.map(toChatMessage),
    mode: thinking.requested,
    signal,
  });
  const maxTokens = resolveMaxTokens(body, prompt.promptTokenIds.length, context);
  return {
    id: context.id,
    promptTokenIds: prompt.promptTokenIds,
    images: prompt.images,
    sampling,
    maxTokens,
    stop: typeof body.stop === 'string' ? [body.stop] : (body.stop ?? []),
    topLogprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : null,
    thinking: {
      ...thinking,
      start: prompt.start,
      answerFloor: answerFloor(maxTokens, settings),
    },
  };
}

function resolveSampling(
  body: ChatCompletionRequest,
  model: ServedModel,
  thinking: ThinkingOptions,
): SamplingParams {
  const { sampling, thinking: protocol } = model.manifest;
  const mode = protocol.modes[thinking.requested]?.sampling;
  return {
    temperature: body.temperature ?? mode?.temperature ?? sampling.temperature,
    topP: body.top_p ?? mode?.topP ?? sampling.topP,
    topK: Math.max(0, body.top_k ?? mode?.topK ?? sampling.topK),
    minP: body.min_p ?? 0,
    repetitionPenalty: body.repetition_penalty ?? sampling.repetitionPenalty,
    presencePenalty: body.presence_penalty ?? 0,
    frequencyPenalty: body.frequency_penalty ?? 0,
    logitBias: resolveLogitBias(body.logit_bias ?? {}, model.engine.limits.vocabSize),
    seed: body.seed ?? randomInt(SEED_LIMIT),
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

function resolveMaxTokens(
  body: ChatCompletionRequest,
  numPromptTokens: number,
  { model, settings }: GenerationContext,
): number {
  const capacity = model.engine.limits.slotCapacity;
  const left = capacity - numPromptTokens;
  const asked = body.max_completion_tokens ?? body.max_tokens ?? null;
  if (left < 1) {
    throw tooLong(
      `The prompt has ${numPromptTokens} tokens and leaves no room for an answer`,
      capacity,
    );
  }
  if (asked !== null && asked > left) {
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

function answerFloor(maxTokens: number, { answerFloor: floor }: HttpSettings): number {
  return Math.min(floor.tokens, Math.floor(maxTokens * floor.share));
}
