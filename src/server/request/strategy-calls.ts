import type {
  FinishEvent,
  GenerationEvent,
  GenerationRequest,
  TokenEvent,
} from '../../engine/generation.ts';
import type { Decision } from '../../engine/thinking/decision.ts';
import type { DecidedMode, Protocol } from '../../package/protocol.ts';
import { bytesOfToken } from '../../package/token-table.ts';
import type { ChatMessage } from '../prompt/messages.ts';
import { endedWithoutResult, finishReasonOf } from '../reply/reply-events.ts';
import { eventTap } from '../reply/run-generations.ts';
import type { Answer, Variant } from '../reply/strategies/strategy.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import type { ChatRequest } from './chat-request.ts';
import {
  type GenerationContext,
  type PreparedGeneration,
  prepareGeneration,
} from './generation-request.ts';
import type { ThinkingControl, ThinkingFields } from './thinking-controls.ts';

export interface StrategyCallContext {
  /** The request without its strategy. */
  readonly chat: ChatRequest;
  /** The same, prepared: every call takes its images and its seed. */
  readonly base: PreparedGeneration;
  readonly generation: GenerationContext;
  readonly observation: Pick<RequestObservation, 'observeGeneration'>;
  /** Called with the engine's id of every call. */
  readonly onCall: (id: string) => void;
}

/** The answer of a call with everything that led to it. */
export interface CallAnswer extends Answer {
  readonly prepared: PreparedGeneration;
  readonly events: readonly GenerationEvent[];
  readonly decision: Decision | null;
  readonly finish: FinishEvent;
}

/** Makes the calls of one strategy, each a generation of its own with the id `ID-0`, `ID-1`, ... */
export class StrategyCalls {
  readonly #context: StrategyCallContext;
  #numCalls = 0;

  constructor(context: StrategyCallContext) {
    this.#context = context;
  }

  /** @throws ApiError for a call that cannot be prepared, fails or is stopped */
  async call(variant: Variant): Promise<CallAnswer> {
    const { chat, base, generation, observation, onCall } = this.#context;
    const { model, signal, quotas } = generation;
    const id = `${generation.id}-${this.#numCalls}`;
    this.#numCalls += 1;
    const protocol = model.manifest.thinking;
    const varied = variantOf(chat, { variant, protocol, budget: base.asked.budget });
    const prepared = await prepareGeneration(varied, {
      ...generation,
      id,
      images: base.request.images,
      fitsMaxTokens: true,
    });
    const request: GenerationRequest = {
      ...prepared.request,
      group: generation.id,
      sampling: {
        ...prepared.request.sampling,
        seed: base.request.sampling.seed + (variant.sample ?? 0),
      },
      topLogprobs: variant.isTrial === true ? 1 : null,
      thinking: { ...prepared.request.thinking, ...this.#exit(variant) },
    };
    onCall(id);
    const events: GenerationEvent[] = [];
    const tap = eventTap(observation, quotas);
    for await (const event of model.engine.generate(request, signal)) {
      tap(event);
      events.push(event);
    }
    return this.#toAnswer({ ...prepared, request }, events);
  }

  #exit({ exitWords }: Variant): { readonly exit?: readonly number[] } {
    if (exitWords === undefined || exitWords === '') return {};
    const { manifest, tokenizer } = this.#context.generation.model;
    const { tags, budget } = manifest.thinking;
    const close = budget.exit.slice(Math.max(0, budget.exit.indexOf(tags.close)));
    return { exit: tokenizer.encode(`\n${exitWords}\n${close}`) };
  }

  #toAnswer(prepared: PreparedGeneration, events: readonly GenerationEvent[]): CallAnswer {
    const finish = events.at(-1);
    if (finish?.type !== 'finish') throw endedWithoutResult();
    return {
      prepared,
      events,
      finish,
      decision: events.find((event) => event.type === 'decision') ?? null,
      text: textOf(events, 'answer'),
      reasoning:
        finish.thinkingEnd === 'budget' ? this.#written(events) : textOf(events, 'reasoning'),
      reasoningTokens: finish.usage.reasoningTokens,
      completionTokens: finish.usage.completionTokens,
      thinkingEnd: finish.thinkingEnd,
      stopString: finish.stopString,
      isComplete: finishReasonOf(finish, false) === 'stop',
      confidence: this.#confidence(events),
    };
  }

  /**
   * Thinking as the model wrote it, to the last space. The text that clients see lacks the white space before the tag
   * that ended it, but the thought continues from there.
   */
  #written(events: readonly GenerationEvent[]): string {
    const { tokenTable, specialIds } = this.#context.generation.model;
    const bytes = events.flatMap((event) => {
      if (event.type !== 'token' || event.section !== 'reasoning' || event.forced) return [];
      return specialIds.has(event.tokenId) ? [] : [...bytesOfToken(tokenTable, event.tokenId)];
    });
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }

  /** DEER's measure: the geometric mean of the largest probability at every token of the answer. */
  #confidence(events: readonly GenerationEvent[]): number | null {
    const { specialIds } = this.#context.generation.model;
    const isWord = (event: GenerationEvent): event is TokenEvent =>
      event.type === 'token' && event.section === 'answer' && !specialIds.has(event.tokenId);
    const largest = events.filter(isWord).flatMap(({ topLogprobs }) => topLogprobs?.[0] ?? []);
    if (largest.length === 0) return null;
    return Math.exp(largest.reduce((sum, { logprob }) => sum + logprob, 0) / largest.length);
  }
}

function textOf(events: readonly GenerationEvent[], wanted: 'answer' | 'reasoning'): string {
  return events
    .flatMap((event) => (event.type === 'decision' ? [] : event.pieces))
    .map(({ section, text }) => (section === wanted ? text : ''))
    .join('');
}

interface VariantInput {
  readonly variant: Variant;
  readonly protocol: Pick<Protocol, 'tags'>;
  /** Thinking budget of the request. */
  readonly budget: number | null;
}

/** The request as one call of a strategy makes it. */
export function variantOf(
  chat: ChatRequest,
  { variant, protocol, budget }: VariantInput,
): ChatRequest {
  const { turns = [], maxTokens, stopThinkingAt = [], thought, isTrial } = variant;
  const { limits, sampling } = chat;
  const stops = stopThinkingAt.length > 0;
  return {
    ...chat,
    messages: [
      ...chat.messages,
      ...turns.map(({ role, text }): ChatMessage => ({ role, content: text })),
      ...(thought === undefined ? [] : [begunReply(thought, protocol)]),
    ],
    continuesFinal: thought !== undefined,
    thinking: {
      ...thinkingOf(chat.thinking, variant, variant.budget ?? budget),
      ...(stops && { stopInThinking: true }),
    },
    limits: {
      ...limits,
      ...(stops && { stop: stopThinkingAt }),
      ...(maxTokens !== undefined && {
        maxTokens: Math.min(maxTokens, limits.maxTokens ?? Number.POSITIVE_INFINITY),
        minTokens: 0,
      }),
    },
    ...(isTrial === true && { sampling: { ...sampling, temperature: 0 } }),
  };
}

/** A mode that the strategy sets replaces all controls: the request has none that contradicts it. */
function thinkingOf(
  thinking: ThinkingFields,
  { mode, thought }: Variant,
  budget: number | null,
): ThinkingFields {
  if (thought?.isClosed === true) return { ...thinking, controls: [] };
  if (mode === undefined) return thinking;
  return {
    ...thinking,
    controls: controlsFor(mode, budget),
    ...(mode === 'fast' && { extensions: 0 }),
  };
}

function controlsFor(mode: DecidedMode, budget: number | null): ThinkingControl[] {
  const control: ThinkingControl = { field: 'strategy', mode };
  return [mode === 'think' && budget !== null ? { ...control, budget } : control];
}

function begunReply(
  { text, isClosed }: NonNullable<Variant['thought']>,
  { tags }: Pick<Protocol, 'tags'>,
): ChatMessage {
  return isClosed
    ? { role: 'assistant', content: `${tags.open}${text}${tags.close}` }
    : { role: 'assistant', content: '', reasoning: text };
}
