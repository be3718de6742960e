import { randomInt } from 'node:crypto';
import type { GenerationRequest } from '../../engine/generation.ts';
import type { TiledImage } from '../../engine/model-runner.ts';
import type { ThinkingMode } from '../../package/protocol.ts';
import { toChatMessage } from '../api/openai-chat/message-schema.ts';
import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import type { Quotas } from '../http/access/quotas.ts';
import { conflict } from '../http/errors.ts';
import type { ServedModel } from '../http/served-model.ts';
import type { HttpSettings } from '../http/settings.ts';
import { type Continuation, continuationOf } from '../prompt/continuation.ts';
import type { FormattedPrompt } from '../prompt/formatter.ts';
import { modeRowOf } from '../prompt/mode-row.ts';
import { softSwitchIn } from '../prompt/soft-switch.ts';
import { type ReasoningDisplay, resolveDisplay } from '../reply/text-display.ts';
import type { OfferedTools } from '../reply/tool-calls/open-answer-reader.ts';
import { resolveGrammar } from './answer-grammar.ts';
import { drawArm, type HoldoutArm } from './holdout.ts';
import { resolveTools } from './offered-tools.ts';
import { resolveSampling, resolveStopTokens } from './sampling-params.ts';
import { resolveThinking, type ThinkingOptions } from './thinking-options.ts';
import { type ThinkingPlan, withinQuota } from './thinking-quota.ts';
import { assertRoomToAnswer, isTooSmallToThink } from './thinking-room.ts';
import type { ControlSource } from './thinking-wishes.ts';
import { answerFloor, resolveMaxTokens, resolveMinTokens, upperLimit } from './token-limits.ts';

export interface GenerationContext {
  readonly id: string;
  readonly model: ServedModel;
  readonly settings: HttpSettings;
  /** Bias on the choice to think for the present load. */
  readonly loadBias: number;
  /** What the caller may use; null or absent sets no limit. */
  readonly quotas?: Quotas | null;
  /** The images of these very messages, where they were loaded before. */
  readonly images?: readonly TiledImage[];
  /** Cuts max_tokens to what the prompt leaves, instead of refusing the request. */
  readonly fitsMaxTokens?: boolean;
  readonly signal: AbortSignal;
}

export interface PreparedGeneration {
  readonly request: GenerationRequest;
  /** What was asked for; the request has what came of it. */
  readonly asked: ThinkingOptions;
  /** null where the request is no part of a hold-out. */
  readonly holdoutArm: HoldoutArm | null;
  readonly display: ReasoningDisplay;
  readonly tools: OfferedTools | null;
  /** Answered directly because the caller's thinking quota was used up. */
  readonly isQuotaFallback: boolean;
}

/**
 * Turns a checked request into the engine's input: messages become prompt tokens and tiles, defaults are filled from
 * the server and the package, and everything that depends on the model is checked.
 * @throws ApiError for what the client can mend; ChatInputError from the chat room.
 */
export async function prepareGeneration(
  source: ControlSource,
  context: GenerationContext,
): Promise<PreparedGeneration> {
  const { body } = source;
  const { model, settings, loadBias } = context;
  const asked = resolveThinking(source, {
    protocol: model.manifest.thinking,
    policy: settings.thinking,
    profiles: model.manifest.profiles ?? {},
    loadBias,
  });
  const display = resolveDisplay(body);
  const tools = resolveTools(body, model.manifest);
  const grammar = resolveGrammar(body, tools);
  const continuation = resolveContinuation(body, asked, context);
  const { prompt, plan, maxTokens, holdoutArm } = await writePrompt(
    { body, asked, continuation, tools },
    context,
  );
  const row = modeRowOf(model.manifest.thinking, plan.mode, asked.effort);
  const request: GenerationRequest = {
    id: context.id,
    group: context.id,
    isStreamed: body.stream === true,
    promptTokenIds: prompt.promptTokenIds,
    images: prompt.images,
    sampling: resolveSampling(body, {
      defaults: model.manifest.sampling,
      ofMode: row?.sampling ?? {},
      vocabSize: model.engine.limits.vocabSize,
      freshSeed: () => randomInt(SEED_LIMIT),
    }),
    maxTokens,
    stop: typeof body.stop === 'string' ? [body.stop] : (body.stop ?? []),
    stopTokenIds: resolveStopTokens(body, model.engine.limits.vocabSize),
    minTokens: resolveMinTokens(body, maxTokens),
    priority: body.priority ?? 0,
    timeoutMs: typeof body.timeout === 'number' ? body.timeout * 1000 : settings.defaultTimeoutMs,
    grammar,
    topLogprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : null,
    thinking: {
      requested: plan.mode,
      source: plan.source,
      start: prompt.start,
      softSwitch: softSwitchIn(body.messages.map(toChatMessage), model.manifest.thinking),
      budget: asked.budget,
      answerFloor: answerFloor(maxTokens, settings, body.min_tokens ?? 0),
      ...(plan.mode === 'auto' && asked.decisionBias && { decisionBias: asked.decisionBias }),
      extensions: asked.extensions,
      breakLoops: asked.breakLoops,
      stopInThinking: asked.stopInThinking,
    },
  };
  const isQuotaFallback = plan.isQuotaFallback === true;
  return { request, asked, holdoutArm, display, tools, isQuotaFallback };
}

const SEED_LIMIT = 2 ** 32;

interface Written {
  readonly prompt: FormattedPrompt;
  readonly plan: ThinkingPlan;
  readonly maxTokens: number;
  readonly holdoutArm: HoldoutArm | null;
}

/**
 * Writes the prompt in the mode asked for. Whether there is room to think is known from max_tokens alone most times,
 * and for sure once the prompt's length is; then the prompt is written again, with the same images.
 * So it is for a request of the hold-out, which is drawn only when all else is settled.
 */
async function writePrompt(input: PromptInput, context: GenerationContext): Promise<Written> {
  const { body, asked, continuation } = input;
  const { model, signal } = context;
  const { effort, budget } = asked;
  const messages = body.messages.map(toChatMessage);
  const continueFinal = continuation !== null;
  const tools = input.tools?.tools ?? [];
  const request = {
    messages,
    effort,
    budget,
    continueFinal,
    tools,
    signal,
    images: context.images,
  };
  const plan = planFor(input, upperLimit(body, context), context);
  const prompt = await model.formatter.format({ ...request, mode: plan.mode });
  const maxTokens = resolveMaxTokens(body, prompt.promptTokenIds.length, context);
  const settled = plan.source === 'budget' ? plan : planFor(input, maxTokens, context);
  const holdoutArm = drawArm(settled, context.settings.holdout);
  const final: ThinkingPlan =
    holdoutArm === 'think' ? { mode: 'think', source: 'holdout' } : settled;
  if (final.mode === plan.mode) return { prompt, plan, maxTokens, holdoutArm };
  const { images } = prompt;
  const again = await model.formatter.format({ ...request, mode: final.mode, images });
  return {
    prompt: again,
    plan: final,
    holdoutArm,
    maxTokens: resolveMaxTokens(body, again.promptTokenIds.length, context),
  };
}

/**
 * What the last message fixes, where it is the beginning of the reply.
 * @throws ApiError when the request asks for something else
 */
function resolveContinuation(
  body: ChatCompletionRequest,
  asked: ThinkingOptions,
  { model }: GenerationContext,
): Continuation | null {
  if (body.continue_final_message !== true) return null;
  const messages = body.messages.map(toChatMessage);
  const continuation = continuationOf(messages, model.manifest.thinking);
  const { askedBy, requested } = asked;
  const does = continuation.mode === 'think' ? 'thinks' : 'answers directly';
  const why = `the message to go on with ${does}.`;
  if (askedBy !== null && requested !== 'auto' && requested !== continuation.mode) {
    throw conflict(askedBy, 'continue_final_message', why);
  }
  for (const field of ['thinking_bias', 'thinking_threshold', 'thinking_profile'] as const) {
    if ((body[field] ?? null) !== null) throw conflict(field, 'continue_final_message', why);
  }
  return continuation;
}

interface PromptInput {
  readonly body: ChatCompletionRequest;
  readonly asked: ThinkingOptions;
  readonly continuation: Continuation | null;
  readonly tools: OfferedTools | null;
}

function planFor(input: PromptInput, maxTokens: number, context: GenerationContext): ThinkingPlan {
  const { model, settings, quotas = null } = context;
  return withinQuota(planWithoutQuota(input, maxTokens, context), input, {
    protocol: model.manifest.thinking,
    policy: settings.thinking,
    quotas,
  });
}

/** As asked, or directly where there is no room to think. */
function planWithoutQuota(
  { body, asked, continuation }: PromptInput,
  maxTokens: number,
  context: GenerationContext,
): ThinkingPlan {
  const { model, settings } = context;
  if (continuation !== null) {
    assertRoomToAnswer(continuation, { maxTokens, exitTokens: model.exitTokens });
    return { mode: continuedMode(continuation, model), source: 'prompt' };
  }
  const { mode, lock } = settings.thinking;
  const room = {
    maxTokens,
    answerFloor: answerFloor(maxTokens, settings, body.min_tokens ?? 0),
    exitTokens: model.exitTokens,
  };
  const protocol = model.manifest.thinking;
  return isTooSmallToThink(asked, room, { protocol, insists: mode !== null || lock })
    ? { mode: 'fast', source: 'budget' }
    : { mode: asked.requested, source: asked.source };
}

/** The mode whose prompt a begun reply belongs to; the default's where the protocol has no mode of its own for it. */
function continuedMode({ mode }: Continuation, { manifest }: ServedModel): ThinkingMode {
  const { modes, defaultMode } = manifest.thinking;
  return modes[mode] === undefined ? defaultMode : mode;
}
