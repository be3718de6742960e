import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { GenerationRequest } from '../../../engine/generation.ts';
import { ApiError } from '../../http/errors.ts';
import { disconnectSignal } from '../../http/exchange.ts';
import type { RouteContext } from '../../http/route-context.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import { runGenerations } from '../../reply/run-generations.ts';
import type { GenerationFields } from '../../request/chat-request.ts';
import { choiceRequests } from '../../request/generation-request.ts';
import {
  resolveChoices,
  resolveMaxTokens,
  resolveMinTokens,
  resolveStopTokens,
} from '../../request/limits.ts';
import { resolveSampling } from '../../request/sampling.ts';
import {
  assertReady,
  type Exchange,
  type StartedGeneration,
} from '../../request/start-generation.ts';
import { generationFields } from '../openai-chat/parse-chat.ts';
import type { CompletionRequest } from './completions-schema.ts';
import { type Prompt, readPrompts } from './prompts.ts';

/** OpenAI's default. */
const DEFAULT_MAX_TOKENS = 16;

export interface StartedCompletion extends StartedGeneration {
  readonly prompts: readonly Prompt[];
  /** Choices of each prompt. */
  readonly perPrompt: number;
}

/**
 * Starts a completion: from the body to the stream of its events. Choice `i * n + j` is the j-th of prompt i. Tags count
 * as text: nothing in a bare prompt says whether a tag is the model's or the caller's.
 * @throws ApiError for what the client can fix; EngineUnavailableError
 */
export function startCompletion(
  body: CompletionRequest,
  { reply, observation }: Exchange,
  context: RouteContext,
): StartedCompletion {
  const signal = disconnectSignal(reply);
  const { model, settings } = context;
  assertName(body.model, model.id);
  assertNoMode(reply.request.headers);
  assertReady(context);
  const perPrompt = resolveChoices(body.n ?? null, settings);
  const startedAt = performance.now();
  const id = `cmpl-${randomUUID().replaceAll('-', '')}`;
  const fields = generationFields({ ...body, max_tokens: body.max_tokens ?? DEFAULT_MAX_TOKENS });
  const prompts = readPrompts(body.prompt, model);
  const requests = prompts.map((prompt, index) => {
    const own = prompts.length === 1 ? id : `${id}-${index}`;
    return toRequest(
      own,
      { fields: { ...fields, topLogprobs: body.logprobs ?? null }, prompt },
      context,
    );
  });
  const [request] = requests;
  if (request === undefined) throw new Error('A request has at least one prompt.');
  const numChoices = prompts.length * perPrompt;
  observation.prepared({
    model: model.id,
    stream: body.stream === true,
    numChoices,
    numPrompts: prompts.length,
    request,
    asked: { requested: 'fast', fields: [] },
    holdoutArm: null,
    isQuotaFallback: false,
    prepareMs: performance.now() - startedAt,
  });
  const choices = requests.flatMap((each) => choiceRequests(each, perPrompt));
  const completion: ReplyContext = {
    identity: { id, created: Math.floor(Date.now() / 1000), model: model.id },
    request,
    numChoices,
    requested: 'fast',
    display: 'verbatim',
    tags: model.manifest.thinking.tags,
    tools: null,
    tokens: model,
  };
  const run = { reply: completion, requests: choices, signal, observation, quotas: null };
  return { events: runGenerations(run, context), completion, signal, prompts, perPrompt };
}

interface PromptRequest {
  readonly fields: GenerationFields;
  readonly prompt: Prompt;
}

function toRequest(
  id: string,
  { fields, prompt }: PromptRequest,
  { model, settings }: RouteContext,
): GenerationRequest {
  const { limits } = fields;
  const { vocabSize } = model.engine.limits;
  const length = { numTokens: prompt.tokenIds.length, field: prompt.field };
  const maxTokens = resolveMaxTokens(limits, length, { model, settings });
  return {
    id,
    group: id,
    isStreamed: fields.stream,
    promptTokenIds: prompt.tokenIds,
    images: [],
    sampling: resolveSampling(fields.sampling, {
      defaults: model.manifest.sampling,
      ofMode: {},
      vocabSize,
    }),
    maxTokens,
    stop: limits.stop,
    stopTokenIds: resolveStopTokens(limits, vocabSize),
    minTokens: resolveMinTokens(limits, maxTokens),
    topLogprobs: fields.topLogprobs,
    grammar: null,
    priority: limits.priority,
    timeoutMs: limits.timeoutMs ?? settings.defaultTimeoutMs,
    thinking: {
      requested: 'fast',
      source: 'prompt',
      start: 'answer',
      budget: null,
      answerFloor: 0,
      breakLoops: false,
    },
  };
}

function assertNoMode(headers: IncomingHttpHeaders): void {
  if (headers['x-thinking-mode'] === undefined) return;
  const message =
    '`x-thinking-mode` needs a conversation: a bare prompt has no thinking mode. Use /v1/chat/completions.';
  throw new ApiError('unsupported_parameter', message, { param: 'x-thinking-mode' });
}

/** A mode needs a conversation. */
function assertName(name: string, id: string): void {
  if (name === id) return;
  throw new ApiError(
    'model_not_found',
    `The model ${JSON.stringify(name.slice(0, 100))} is not served here; this server has: ${id}. Names with a thinking mode are for conversations.`,
    { param: 'model' },
  );
}
