import type { GenerationRequest } from '../../engine/generation.ts';
import type { Decision } from '../../engine/thinking/decision.ts';
import type { ThinkingMode } from '../../package/protocol.ts';
import type { ObservedGeneration } from './generation-observation.ts';
import type { GenerationLogEntry, RequestLogEntry } from './request-log.ts';

/** What is known of a request once it is checked and its prompt rendered. */
export interface PreparedFacts {
  readonly model: string;
  readonly stream: boolean;
  readonly numChoices: number;
  /** Number of prompts; the choices are divided among them in order. Default 1. */
  readonly numPrompts?: number;
  /** Name of the strategy; absent without one. */
  readonly strategy?: string;
  readonly request: GenerationRequest;
  /** The mode that the request asks for, and its fields that ask for a mode, an effort or a budget. */
  readonly asked: { readonly requested: ThinkingMode; readonly fields: readonly string[] };
  /** Arm of the hold-out; null when the request is not part of it. */
  readonly holdoutArm: 'auto' | 'think' | null;
  /** Whether the answer is direct because the caller's thinking quota was used up. */
  readonly isQuotaFallback: boolean;
  /** Milliseconds spent on the prompt and its images. */
  readonly prepareMs: number;
}

/** A request that has ended. */
export interface ObservedRequest {
  readonly requestId: string;
  /** Id of the API key; null without one. */
  readonly keyId: string | null;
  readonly traceId: string | null;
  /** null when the request was rejected before generation. */
  readonly facts: PreparedFacts | null;
  /** In the order of the reply's choices. */
  readonly generations: readonly ObservedGeneration[];
  readonly status: number;
  readonly error: string | null;
  readonly totalMs: number;
}

/**
 * The log line of a request. With several choices it has the decision and the times of the first one, and the tokens
 * of all.
 */
export function toLogEntry(observed: ObservedRequest): RequestLogEntry {
  const { facts, generations } = observed;
  const request = facts?.request;
  const finish = generations[0]?.finish;
  return {
    request_id: observed.requestId,
    key_id: observed.keyId,
    trace_id: observed.traceId,
    completion_id: request?.id ?? null,
    model: facts?.model ?? null,
    status: observed.status,
    error: observed.error,
    stream: facts?.stream ?? false,
    requested: facts?.asked.requested ?? null,
    asked_by: facts?.asked.fields ?? [],
    ...decisionFields(generations[0]?.decision ?? null),
    holdout: facts?.holdoutArm === 'think',
    holdout_arm: facts?.holdoutArm ?? null,
    num_choices: facts?.numChoices ?? 1,
    strategy: facts?.strategy ?? null,
    generations: generations.length > 1 ? generations.map(toGenerationEntry) : [],
    quota_fallback: facts?.isQuotaFallback ?? false,
    ended_by: finish?.thinkingEnd ?? null,
    ...sumInterventions(generations),
    finish_reason: finish?.reason ?? null,
    ...requestFields(request, finish?.budget.effective ?? null),
    tokens: tokensOf(observed),
    ms: timesOf(observed),
  };
}

function toGenerationEntry(generation: ObservedGeneration): GenerationLogEntry {
  const { decision, finish, tokens } = generation;
  return {
    ...decisionFields(decision),
    budget_effective: finish?.budget.effective ?? null,
    ended_by: finish?.thinkingEnd ?? null,
    ...sumInterventions([generation]),
    finish_reason: finish?.reason ?? null,
    tokens: {
      prompt: finish?.usage.promptTokens ?? 0,
      cached: finish?.usage.cachedTokens ?? 0,
      ...tokens,
    },
  };
}

function sumInterventions(
  generations: readonly Pick<ObservedGeneration, 'finish'>[],
): Pick<RequestLogEntry, 'extensions' | 'loop_breaks'> {
  const done = generations.flatMap(({ finish }) => finish?.interventions ?? []);
  return {
    extensions: done.reduce((sum, { extensions }) => sum + extensions, 0),
    loop_breaks: done.reduce((sum, { loopBreaks }) => sum + loopBreaks, 0),
  };
}

function tokensOf(observed: ObservedRequest): RequestLogEntry['tokens'] {
  const { facts, generations } = observed;
  const unknown = { prompt: facts?.request.promptTokenIds.length ?? 0, image: 0, cached: 0 };
  const generated = { preamble: 0, reasoning: 0, answer: 0, forced: 0 };
  for (const { tokens } of generations) {
    generated.preamble += tokens.preamble;
    generated.reasoning += tokens.reasoning;
    generated.answer += tokens.answer;
    generated.forced += tokens.forced;
  }
  return { ...(promptCounts(observed) ?? unknown), ...generated };
}

function timesOf({ facts, generations, totalMs }: ObservedRequest): RequestLogEntry['ms'] {
  const timing = generations[0]?.finish?.timing;
  return {
    prepare: rounded(facts?.prepareMs),
    queue: rounded(timing?.queueMs),
    image: rounded(timing?.visionMs),
    prefill: rounded(timing?.prefillMs),
    first_token: rounded(generations[0]?.firstTokenMs),
    first_answer: rounded(generations[0]?.firstAnswerMs),
    thinking: rounded(timing?.thinkingMs),
    total: round(totalMs),
  };
}

function decisionFields(
  decision: Decision | null,
): Pick<RequestLogEntry, 'decision' | 'source' | 'p_think' | 'p_think_steered' | 'residual'> {
  return {
    decision: decision?.mode ?? null,
    source: decision?.source ?? null,
    p_think: decision?.pThink ?? null,
    p_think_steered: decision?.pThinkBiased ?? null,
    residual: decision?.residual ?? null,
  };
}

/** @param effective the thinking budget in force; null when the generation has not finished */
function requestFields(
  request: GenerationRequest | undefined,
  effective: number | null,
): Pick<RequestLogEntry, 'budget' | 'decision_bias' | 'controls' | 'sampling'> {
  if (request === undefined) {
    return {
      budget: { effective, asked: null, floor: null, max_tokens: null },
      decision_bias: { request: 0, policy: 0, load: 0, threshold: null },
      controls: { extensions: 0, break_loops: true, stop_in_thinking: false, num_stop: 0 },
      sampling: null,
    };
  }
  const { thinking, maxTokens, stop } = request;
  const bias = thinking.decisionBias;
  const { logitBias, ...sampling } = request.sampling;
  return {
    budget: {
      effective,
      asked: thinking.budget,
      floor: thinking.answerFloor,
      max_tokens: maxTokens,
    },
    decision_bias: {
      request: bias?.requestBias ?? 0,
      policy: bias?.serverBias ?? 0,
      load: bias?.loadBias ?? 0,
      threshold: bias?.threshold ?? null,
    },
    controls: {
      extensions: thinking.extensions ?? 0,
      break_loops: thinking.breakLoops ?? true,
      stop_in_thinking: thinking.stopInThinking ?? false,
      num_stop: stop.length,
    },
    sampling: { ...sampling, numBiased: logitBias.size },
  };
}

function rounded(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : round(ms);
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

export interface PromptCounts {
  readonly prompt: number;
  /** Prompt tokens that stand for images. */
  readonly image: number;
  /** Prompt tokens found in the prefix cache. */
  readonly cached: number;
}

type Observed = Pick<ObservedRequest, 'facts' | 'generations'>;

/**
 * Prompt tokens of a request. The choices of one prompt share it, so it counts once: the choices after the first find
 * in the cache what the first has computed. Each call of a strategy has a prompt of its own.
 * @returns null when no generation has finished
 */
export function promptCounts({ facts, generations }: Observed): PromptCounts | null {
  const isStrategy = facts?.strategy !== undefined;
  const numPrompts = isStrategy ? generations.length : (facts?.numPrompts ?? 1);
  const perPrompt = generations.length / numPrompts;
  const counts = { prompt: 0, image: 0, cached: 0 };
  let hasFinished = false;
  for (let index = 0; index < numPrompts; index++) {
    const ofPrompt = generations.slice(index * perPrompt, (index + 1) * perPrompt);
    const usages = ofPrompt.flatMap(({ finish }) => finish?.usage ?? []);
    const [first] = usages;
    if (first === undefined) continue;
    hasFinished = true;
    counts.prompt += first.promptTokens;
    counts.image += first.imageTokens;
    counts.cached += Math.min(...usages.map(({ cachedTokens }) => cachedTokens));
  }
  return hasFinished ? counts : null;
}
