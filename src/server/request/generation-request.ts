import type { GenerationRequest } from '../../engine/generation.ts';
import type { TiledImage } from '../../engine/model-runner.ts';
import type { Quotas } from '../http/access/quotas.ts';
import { conflict } from '../http/errors.ts';
import type { ServedModel } from '../http/served-model.ts';
import type { HttpSettings } from '../http/settings.ts';
import { type Continuation, continuationOf } from '../prompt/continuation.ts';
import type { FormattedPrompt } from '../prompt/formatter.ts';
import { modeRowOf, softSwitchIn } from '../prompt/modes.ts';
import type { ReasoningDisplay } from '../reply/text-display.ts';
import type { OfferedTools } from '../reply/tool-calls/open-answer-reader.ts';
import { resolveGrammar } from './answer-grammar.ts';
import type { ChatRequest } from './chat-request.ts';
import { drawArm, type HoldoutArm } from './holdout.ts';
import {
  answerFloor,
  resolveMaxTokens,
  resolveMinTokens,
  resolveStopTokens,
  upperLimit,
} from './limits.ts';
import { resolveSampling } from './sampling.ts';
import { biasField, resolveThinking, type ThinkingOptions } from './thinking-options.ts';
import { planThinking, type ThinkingPlan } from './thinking-plan.ts';
import { resolveTools } from './tools.ts';

export interface GenerationContext {
  readonly id: string;
  readonly model: ServedModel;
  readonly settings: HttpSettings;
  /** Bias on the choice to think for the present load. */
  readonly loadBias: number;
  /** What the caller may use; null sets no limit. */
  readonly quotas: Quotas | null;
  /** Whether the request may be drawn for the hold-out. */
  readonly joinsHoldout: boolean;
  /** The images of these very messages, where they were loaded before. */
  readonly images?: readonly TiledImage[];
  /** Cuts the maximum of tokens to what the prompt leaves, instead of rejecting the request. */
  readonly fitsMaxTokens?: boolean;
  readonly signal: AbortSignal;
}

export interface PreparedGeneration {
  readonly request: GenerationRequest;
  /** What the caller asked for; `request` has what came of it. */
  readonly asked: ThinkingOptions;
  /** null where the request is no part of a hold-out. */
  readonly holdoutArm: HoldoutArm | null;
  readonly display: ReasoningDisplay;
  readonly tools: OfferedTools | null;
  /** The answer comes directly because the caller's thinking quota is used up. */
  readonly isQuotaFallback: boolean;
}

/**
 * Turns a chat request into the engine's input: messages become prompt tokens and tiles, defaults are filled from the
 * server and the package, and everything that depends on the model is checked.
 * @throws ApiError and ChatInputError for what the client can fix
 */
export async function prepareGeneration(
  chat: ChatRequest,
  context: GenerationContext,
): Promise<PreparedGeneration> {
  const { model, settings, loadBias } = context;
  const { manifest, engine } = model;
  const protocol = manifest.thinking;
  const asked = resolveThinking(
    chat.thinking,
    { protocol, policy: settings.thinking, profiles: manifest.profiles ?? {}, loadBias },
    chat.fields.thinkingMode,
  );
  const tools = resolveTools(chat.tools, manifest, chat.fields);
  const grammar = resolveGrammar(chat, tools);
  const continuation = resolveContinuation(chat, asked, context);
  const { prompt, plan, maxTokens, holdoutArm } = await writePrompt(
    { chat, asked, continuation, tools },
    context,
  );
  const { limits } = chat;
  const { vocabSize } = engine.limits;
  const request: GenerationRequest = {
    id: context.id,
    group: context.id,
    isStreamed: chat.stream,
    promptTokenIds: prompt.promptTokenIds,
    images: prompt.images,
    sampling: resolveSampling(chat.sampling, {
      defaults: manifest.sampling,
      ofMode: modeRowOf(protocol, plan.mode, asked.effort)?.sampling ?? {},
      vocabSize,
    }),
    maxTokens,
    stop: limits.stop,
    stopTokenIds: resolveStopTokens(limits, vocabSize),
    minTokens: resolveMinTokens(limits, maxTokens),
    priority: limits.priority,
    timeoutMs: limits.timeoutMs ?? settings.defaultTimeoutMs,
    grammar,
    topLogprobs: chat.topLogprobs,
    thinking: {
      requested: plan.mode,
      source: plan.source,
      start: prompt.start,
      softSwitch: softSwitchIn(chat.messages, protocol),
      budget: asked.budget,
      answerFloor: answerFloor(maxTokens, settings, limits.minTokens),
      ...(plan.mode === 'auto' && asked.decisionBias && { decisionBias: asked.decisionBias }),
      extensions: asked.extensions,
      breakLoops: asked.breakLoops,
      stopInThinking: asked.stopInThinking,
    },
  };
  const isQuotaFallback = plan.isQuotaFallback === true;
  return { request, asked, holdoutArm, display: chat.display, tools, isQuotaFallback };
}

interface PromptInput {
  readonly chat: ChatRequest;
  readonly asked: ThinkingOptions;
  readonly continuation: Continuation | null;
  readonly tools: OfferedTools | null;
}

interface WrittenPrompt {
  readonly prompt: FormattedPrompt;
  readonly plan: ThinkingPlan;
  readonly maxTokens: number;
  readonly holdoutArm: HoldoutArm | null;
}

/**
 * Writes the prompt in the planned mode. The plan mostly follows from the maximum of tokens alone; it is certain once
 * the prompt's length is known, and the hold-out draws only then. A prompt whose mode changes is written again, with the
 * same images.
 */
async function writePrompt(input: PromptInput, context: GenerationContext): Promise<WrittenPrompt> {
  const { chat, asked, continuation } = input;
  const { model, signal, settings, joinsHoldout } = context;
  const conversation = {
    messages: chat.messages,
    effort: asked.effort,
    budget: asked.budget,
    continueFinal: continuation !== null,
    tools: input.tools?.tools ?? [],
    fields: chat.fields,
    signal,
  };
  const maxTokensAfter = (prompt: FormattedPrompt): number =>
    resolveMaxTokens(
      chat.limits,
      { numTokens: prompt.promptTokenIds.length, field: chat.fields.messages },
      context,
    );
  const plan = planFor(input, upperLimit(chat.limits, context), context);
  const images = context.images;
  const prompt = await model.formatter.format({ ...conversation, mode: plan.mode, images });
  const maxTokens = maxTokensAfter(prompt);
  const settled = plan.source === 'budget' ? plan : planFor(input, maxTokens, context);
  const holdoutArm = joinsHoldout ? drawArm(settled, settings.holdout) : null;
  const final: ThinkingPlan =
    holdoutArm === 'think' ? { mode: 'think', source: 'holdout' } : settled;
  if (final.mode === plan.mode) return { prompt, plan, maxTokens, holdoutArm };
  const again = await model.formatter.format({
    ...conversation,
    mode: final.mode,
    images: prompt.images,
  });
  return { prompt: again, plan: final, holdoutArm, maxTokens: maxTokensAfter(again) };
}

function planFor(
  { chat, asked, continuation }: PromptInput,
  maxTokens: number,
  { model, settings, quotas }: GenerationContext,
): ThinkingPlan {
  const room = {
    maxTokens,
    answerFloor: answerFloor(maxTokens, settings, chat.limits.minTokens),
    exitTokens: model.exitTokens,
  };
  return planThinking({ asked, continuation, fields: chat.fields }, room, {
    protocol: model.manifest.thinking,
    policy: settings.thinking,
    quotas,
  });
}

/**
 * Reads the last message as the beginning of the reply, where the request says that it is one.
 * @throws ApiError where another field contradicts the mode that the beginning shows
 */
function resolveContinuation(
  { continuesFinal, messages, thinking, fields }: ChatRequest,
  { askedBy, requested }: ThinkingOptions,
  { model }: GenerationContext,
): Continuation | null {
  if (!continuesFinal) return null;
  const continuation = continuationOf(messages, model.manifest.thinking, fields);
  const does = continuation.mode === 'think' ? 'thinks' : 'answers directly';
  const why = `the message to go on with ${does}.`;
  if (askedBy !== null && requested !== 'auto' && requested !== continuation.mode) {
    throw conflict(askedBy, fields.continuesFinal, why);
  }
  const bias = biasField(thinking);
  if (bias !== null) throw conflict(bias, fields.continuesFinal, why);
  return continuation;
}

/**
 * The engine requests of a reply's choices: the same prompt, each with its own id and seed. Choices differ only by
 * chance, so at temperature 0 they are all alike. A single choice is the request itself.
 */
export function choiceRequests(request: GenerationRequest, count: number): GenerationRequest[] {
  if (count === 1) return [request];
  const { id, sampling } = request;
  return Array.from({ length: count }, (_, index) => ({
    ...request,
    id: `${id}-${index}`,
    sampling: { ...sampling, seed: sampling.seed + index },
  }));
}
