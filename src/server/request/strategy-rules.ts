import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import { parallelCalls, type WireStrategy } from '../api/openai-chat/strategy-fields.ts';
import type { Quotas } from '../http/access/quotas.ts';
import { ApiError } from '../http/errors.ts';
import type { ServedModel } from '../http/served-model.ts';
import type { HttpSettings } from '../http/settings.ts';
import type { Strategy, StrategyType } from '../reply/strategies/run-strategy.ts';
import type { PreparedGeneration } from './generation-request.ts';
import { availableModes, defaultMode } from './thinking-policy.ts';

type Body = ChatCompletionRequest;
type Mode = 'think' | 'fast';

/** Modes that a strategy sets by itself; a request that sets one too contradicts it. */
const SETS: Readonly<Partial<Record<StrategyType, readonly Mode[]>>> = {
  fast_agree_else_think: ['fast', 'think'],
  rethink: ['think'],
  early_exit: ['think'],
  confidence_exit: ['think'],
};

/** Strategies that compare or merge replies which chance made differ. */
const SAMPLING: ReadonlySet<StrategyType> = new Set([
  'majority_vote',
  'fast_agree_else_think',
  'self_refine',
  'parallel_distill_refine',
]);

const LEANINGS = ['thinking_bias', 'thinking_threshold', 'thinking_profile'] as const;
const EXITS: ReadonlySet<StrategyType> = new Set(['early_exit', 'confidence_exit']);

type Rule = readonly [field: string, isGiven: (body: Body) => boolean, why: string];

const VOTES: ReadonlySet<StrategyType> = new Set(['majority_vote', 'fast_agree_else_think']);

/** What does not go with any strategy, and why. */
const NEVER: readonly Rule[] = [
  ['stream', ({ stream }) => stream === true, 'the answer is known only when all calls are done.'],
  ['n', ({ n }) => (n ?? 1) > 1, 'a strategy comes to one answer.'],
  ['logprobs', ({ logprobs }) => logprobs === true, 'the answer is chosen among several calls.'],
  [
    'continue_final_message',
    (body) => body.continue_final_message === true,
    'a strategy begins its replies itself.',
  ],
  ['tools', ({ tools }) => (tools ?? []).length > 0, 'answers are compared and merged as text.'],
];

/** The same for the strategies that take the thinking apart. */
const NEVER_AT_EXITS: readonly Rule[] = [
  ['stop_in_thinking', (body) => body.stop_in_thinking === true, 'the strategy ends the thinking.'],
  [
    'thinking_extensions',
    (body) => (body.thinking_extensions ?? 0) > 0,
    'one ends the thinking early, one prolongs it.',
  ],
];

/** The same for those whose calls write other things than the answer. */
const NEVER_IN_STEPS: readonly Rule[] = [
  [
    'response_format',
    (body) => (body.response_format?.type ?? 'text') !== 'text',
    'its calls write notes, attempts or trials, which have no such form.',
  ],
];

/**
 * Refuses what a strategy could only ignore, before anything is prepared.
 * @throws ApiError naming the field
 */
export function assertStrategyFields(
  strategy: WireStrategy,
  body: Body,
  { maxChoices }: Pick<HttpSettings, 'maxChoices'>,
): void {
  const rules = [
    ...NEVER,
    ...(VOTES.has(strategy.type) ? [] : NEVER_IN_STEPS),
    ...(EXITS.has(strategy.type) ? NEVER_AT_EXITS : []),
  ];
  for (const [field, isGiven, why] of rules) if (isGiven(body)) throw contradiction(field, why);
  if (strategy.type === 'confidence_exit' && (body.stop ?? []).length > 0) {
    throw contradiction('stop', 'the transitions of the strategy are its stop strings.');
  }
  if (SETS[strategy.type] !== undefined) {
    const leaning = LEANINGS.find((field) => (body[field] ?? null) !== null);
    if (leaning !== undefined) throw contradiction(leaning, setsMode(strategy));
  }
  const parallel = parallelCalls(strategy);
  if (parallel === null || parallel.count <= maxChoices) return;
  const { field, count } = parallel;
  const message = `\`${field}\` must be at most ${maxChoices} on this server; got ${count}.`;
  throw new ApiError('invalid_value', message, { param: field });
}

export interface AbilityContext {
  readonly model: Pick<ServedModel, 'manifest'>;
  readonly settings: Pick<HttpSettings, 'thinking'>;
  readonly quotas: Pick<Quotas, 'isThinkingSpent' | 'thinkingRefusal'> | null;
}

/**
 * Refuses what the request, the model or its operator make impossible.
 * @param prepared the request without its strategy
 * @throws ApiError naming the field
 */
export function assertStrategyPossible(
  { type }: Pick<Strategy, 'type'>,
  { asked, request }: Pick<PreparedGeneration, 'asked' | 'request'>,
  { model, settings, quotas }: AbilityContext,
): void {
  const sets = SETS[type] ?? [];
  const field = type === 'early_exit' ? asked.fields[0] : asked.askedBy;
  if (sets.length > 0 && field !== null && field !== undefined) {
    throw contradiction(field, setsMode({ type }));
  }
  const protocol = model.manifest.thinking;
  for (const mode of sets) {
    const listed = availableModes(protocol).join(', ');
    if (protocol.modes[mode] === undefined) {
      const message = `\`strategy\` ${type} needs the mode ${mode}, which this model does not have; it can do: ${listed}.`;
      throw new ApiError('unsupported_value', message, { param: 'strategy' });
    }
    const only = defaultMode(settings.thinking, protocol);
    if (settings.thinking.lock && only !== mode) {
      const message = `\`strategy\` ${type} needs the mode ${mode}, but this server answers in ${only} mode only.`;
      throw new ApiError('thinking_locked', message, { param: 'strategy' });
    }
  }
  if (sets.includes('think') && quotas?.isThinkingSpent) throw quotas.thinkingRefusal('strategy');
  if (SAMPLING.has(type) && request.sampling.temperature === 0) {
    throw contradiction('temperature', `at temperature 0 all samples of ${type} are alike.`);
  }
}

function setsMode({ type }: Pick<WireStrategy, 'type'>): string {
  return `${type} sets the mode itself.`;
}

function contradiction(field: string, why: string): ApiError {
  const message = `\`${field}\` and \`strategy\` contradict: ${why}`;
  return new ApiError('conflicting_parameters', message, { param: field });
}
