import type { DecidedMode } from '../../package/protocol.ts';
import { parallelCalls, type WireStrategy } from '../api/openai-chat/strategy-fields.ts';
import type { Quotas } from '../http/access/quotas.ts';
import { ApiError } from '../http/errors.ts';
import type { ServedModel } from '../http/served-model.ts';
import type { HttpSettings } from '../http/settings.ts';
import type { Strategy, StrategyType } from '../reply/strategies/run-strategy.ts';
import type { ChatRequest } from './chat-request.ts';
import type { PreparedGeneration } from './generation-request.ts';
import { biasField } from './thinking-options.ts';
import { availableModes, defaultMode } from './thinking-policy.ts';

/** Modes that a strategy sets itself; a request that sets a mode as well contradicts it. */
const SETS: Readonly<Partial<Record<StrategyType, readonly DecidedMode[]>>> = {
  fast_agree_else_think: ['fast', 'think'],
  rethink: ['think'],
  early_exit: ['think'],
  confidence_exit: ['think'],
};

/** Strategies that compare or merge replies that differ by chance. */
const SAMPLING: ReadonlySet<StrategyType> = new Set([
  'majority_vote',
  'fast_agree_else_think',
  'self_refine',
  'parallel_distill_refine',
]);

const EXITS: ReadonlySet<StrategyType> = new Set(['early_exit', 'confidence_exit']);

type Rule = readonly [field: string, isGiven: (chat: ChatRequest) => boolean, why: string];

const VOTES: ReadonlySet<StrategyType> = new Set(['majority_vote', 'fast_agree_else_think']);

/** Fields that do not go with any strategy, and why. */
const NEVER: readonly Rule[] = [
  ['stream', ({ stream }) => stream, 'the answer is known only when all calls are done.'],
  ['n', ({ numChoices }) => (numChoices ?? 1) > 1, 'a strategy comes to one answer.'],
  [
    'logprobs',
    ({ topLogprobs }) => topLogprobs !== null,
    'the answer is chosen among several calls.',
  ],
  [
    'continue_final_message',
    ({ continuesFinal }) => continuesFinal,
    'a strategy begins its replies itself.',
  ],
  ['tools', ({ tools }) => tools.tools.length > 0, 'answers are compared and merged as text.'],
];

/** The same for strategies that interrupt the thinking. */
const NEVER_AT_EXITS: readonly Rule[] = [
  [
    'stop_in_thinking',
    ({ thinking }) => thinking.stopInThinking,
    'the strategy ends the thinking.',
  ],
  [
    'thinking_extensions',
    ({ thinking }) => thinking.extensions > 0,
    'one ends the thinking early, one extends it.',
  ],
];

/** The same for strategies whose calls write other things than the answer. */
const NEVER_IN_STEPS: readonly Rule[] = [
  [
    'response_format',
    ({ format }) => format !== null,
    'its calls write notes, attempts or trials, which have no such form.',
  ],
];

/**
 * Rejects fields that a strategy could only ignore, before anything is prepared.
 * @throws ApiError naming the field
 */
export function assertStrategyFields(
  strategy: WireStrategy,
  chat: ChatRequest,
  { maxChoices }: Pick<HttpSettings, 'maxChoices'>,
): void {
  const rules = [
    ...NEVER,
    ...(VOTES.has(strategy.type) ? [] : NEVER_IN_STEPS),
    ...(EXITS.has(strategy.type) ? NEVER_AT_EXITS : []),
  ];
  for (const [field, isGiven, why] of rules) if (isGiven(chat)) throw contradiction(field, why);
  if (strategy.type === 'confidence_exit' && chat.limits.stop.length > 0) {
    throw contradiction('stop', 'the transitions of the strategy are its stop strings.');
  }
  const bias = SETS[strategy.type] === undefined ? null : biasField(chat.thinking);
  if (bias !== null) throw contradiction(bias, setsMode(strategy));
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
 * Rejects a strategy that the request, the model or its operator make impossible.
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
