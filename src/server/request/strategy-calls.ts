import type {
  FinishEvent,
  GenerationEvent,
  GenerationRequest,
  TokenEvent,
} from '../../engine/generation.ts';
import type { Decision } from '../../engine/thinking/decision.ts';
import type { Protocol } from '../../package/protocol.ts';
import { bytesOfToken } from '../../package/token-table.ts';
import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import { endedWithoutResult, finishReasonOf } from '../reply/reply-events.ts';
import type { Answer, Variant } from '../reply/strategies/strategy.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import {
  type GenerationContext,
  type PreparedGeneration,
  prepareGeneration,
} from './generation-request.ts';
import { chargeThinking } from './thinking-quota.ts';
import type { ControlSource } from './thinking-wishes.ts';

type Body = ChatCompletionRequest;

export interface StrategyCallContext {
  /** The request without its strategy. */
  readonly source: ControlSource;
  /** The same, prepared: its images and seed are every call's. */
  readonly base: PreparedGeneration;
  readonly generation: GenerationContext;
  readonly observation: Pick<RequestObservation, 'watch'>;
  /** Called with the engine's id of every call. */
  readonly onCall: (id: string) => void;
}

/** A call's answer with everything it came of. */
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
    const { base, generation, observation, onCall } = this.#context;
    const { model, signal, quotas = null } = generation;
    const id = `${generation.id}-${this.#numCalls}`;
    this.#numCalls += 1;
    const prepared = await this.#prepare(variant, { ...generation, id });
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
    const made = chargeThinking(model.engine.generate(request, signal), quotas);
    for await (const event of observation.watch(made)) events.push(event);
    return this.#toAnswer({ ...prepared, request }, events);
  }

  #prepare(variant: Variant, context: GenerationContext): Promise<PreparedGeneration> {
    const { source, base } = this.#context;
    const protocol = context.model.manifest.thinking;
    const body = variantBody(source.body, { variant, protocol, budget: base.asked.budget });
    // A mode of the strategy's stands alone: there is no other field, name or header that asks for one.
    return prepareGeneration(
      { ...source, body },
      { ...context, images: base.request.images, fitsMaxTokens: true },
    );
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
   * Thinking as the model wrote it, to the last space: what is shown is without the white space before the tag that
   * ended it, but the thought goes on from there.
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
  /** What the request asks for. */
  readonly budget: number | null;
}

/** The request as one call of a strategy puts it. */
export function variantBody(body: Body, { variant, protocol, budget }: VariantInput): Body {
  const { turns = [], maxTokens, stopThinkingAt = [], thought, isTrial } = variant;
  const limit = body.max_completion_tokens ?? body.max_tokens ?? Number.POSITIVE_INFINITY;
  return {
    ...body,
    ...(variant.mode !== undefined && onlyMode(body, variant.mode, variant.budget ?? budget)),
    ...(thought?.isClosed === true && NO_CONTROLS),
    messages: [
      ...body.messages,
      ...turns.map(({ role, text }) => ({ role, content: text })),
      ...(thought === undefined ? [] : [begunReply(thought, protocol)]),
    ],
    ...(thought !== undefined && { continue_final_message: true }),
    ...(stopThinkingAt.length > 0 && { stop: [...stopThinkingAt], stop_in_thinking: true }),
    ...(maxTokens !== undefined && {
      max_completion_tokens: Math.min(maxTokens, limit),
      max_tokens: undefined,
      min_tokens: undefined,
    }),
    ...(isTrial === true && { temperature: 0 }),
  };
}

/** No field says anything of mode or budget. */
const NO_CONTROLS = {
  thinking_mode: undefined,
  chat_template_kwargs: undefined,
  enable_thinking: undefined,
  reasoning_effort: undefined,
  thinking: undefined,
  thinking_budget: undefined,
  thinking_token_budget: undefined,
  reasoning_budget_tokens: undefined,
} as const;

function onlyMode(body: Body, mode: 'think' | 'fast', budget: number | null): Partial<Body> {
  return {
    ...NO_CONTROLS,
    ...(body.reasoning && { reasoning: { exclude: body.reasoning.exclude } }),
    thinking_mode: mode,
    ...(mode === 'think' && budget !== null && { thinking_budget: budget }),
    ...(mode === 'fast' && { thinking_extensions: undefined }),
  };
}

function begunReply(
  { text, isClosed }: NonNullable<Variant['thought']>,
  { tags }: Pick<Protocol, 'tags'>,
): Body['messages'][number] {
  return isClosed
    ? { role: 'assistant', content: `${tags.open}${text}${tags.close}` }
    : { role: 'assistant', content: '', reasoning_content: text };
}
