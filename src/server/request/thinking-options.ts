import type { DecisionBias } from '../../engine/thinking/decision.ts';
import { hasDecisionPoint } from '../../engine/thinking/protocol-tokens.ts';
import type { ThinkingProfiles } from '../../package/profile.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';
import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import { ApiError, conflict } from '../http/errors.ts';
import type { EffortRow } from '../prompt/mode-row.ts';
import {
  availableModes,
  defaultMode,
  type ThinkingEffort,
  type ThinkingPolicy,
} from './thinking-policy.ts';
import { profileThreshold } from './thinking-profile.ts';
import {
  type AgreedWishes,
  agreedWishes,
  type ControlSource,
  type Wish,
} from './thinking-wishes.ts';

export interface ThinkingOptions {
  readonly requested: ThinkingMode;
  readonly source: 'request' | 'policy';
  /** The field that named the mode; null where it is the default. */
  readonly askedBy: string | null;
  /** Every field that asked for something. */
  readonly fields: readonly string[];
  /** Most thinking tokens; null leaves it to the model. */
  readonly budget: number | null;
  readonly effort: EffortRow | null;
  /** null where nobody leans on the choice, or there is none. */
  readonly decisionBias: DecisionBias | null;
  readonly extensions: number;
  readonly breakLoops: boolean;
  readonly stopInThinking: boolean;
}

/** The model and its operator, as far as thinking goes. */
export interface ThinkingAbility {
  readonly protocol: Pick<
    Protocol,
    'name' | 'modes' | 'defaultMode' | 'efforts' | 'budget' | 'decide'
  >;
  readonly policy: ThinkingPolicy;
  /** Calibrated thresholds by name. */
  readonly profiles: ThinkingProfiles;
  /** Bias for the present load; 0 without one. */
  readonly loadBias: number;
}

/** The row that comes closest where a protocol knows fewer degrees; what is left over is a budget. */
const NEAREST_ROW: Readonly<Record<ThinkingEffort, EffortRow>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
};

interface Choice {
  readonly requested: ThinkingMode;
  /** The field that led there; undefined where it is the default. */
  readonly by: Wish | undefined;
}

/**
 * One mode, one budget and everything else out of the fields that speak of thinking.
 * @throws ApiError naming both fields of a contradiction, or what the model can do instead.
 */
export function resolveThinking(source: ControlSource, ability: ThinkingAbility): ThinkingOptions {
  const { protocol, policy } = ability;
  const wishes = agreedWishes(source);
  const effort = wishes.effort?.effort;
  const budget = budgetWish(wishes, ability);
  const choice = chooseMode(wishes.mode, budget, ability);
  assertUnlocked(choice, ability);
  assertModeExists(choice, protocol);
  const asked = budget?.budget ?? (choice.requested === 'fast' ? -1 : (policy.budget ?? -1));
  return {
    requested: choice.requested,
    source: choice.by === undefined || policy.lock ? 'policy' : 'request',
    askedBy: choice.by?.field ?? null,
    fields: wishes.fields,
    budget: asked < 0 ? null : asked,
    effort: effort === undefined || protocol.efforts === undefined ? null : NEAREST_ROW[effort],
    decisionBias: resolveDecisionBias(source.body, choice, ability),
    extensions: resolveExtensions(source.body, choice, protocol),
    breakLoops: source.body.break_thinking_loops ?? true,
    stopInThinking: source.body.stop_in_thinking ?? false,
  };
}

/** An effort is a budget, unless the protocol has words for it or the level is without limit. */
function budgetWish(
  { budget, effort }: AgreedWishes,
  { protocol, policy }: ThinkingAbility,
): Wish | undefined {
  if (effort?.effort === undefined) return budget;
  const isNamed = protocol.efforts !== undefined && NEAREST_ROW[effort.effort] === effort.effort;
  const meant = isNamed ? null : policy.effortBudgets[effort.effort];
  if (meant === null) return budget;
  if (budget !== undefined && budget.budget !== meant) {
    const why = `${effort.effort} is a budget of ${meant} thinking tokens, which is not ${budget.budget}.`;
    throw conflict(effort.field, budget.field, why);
  }
  return { field: effort.field, budget: meant };
}

function chooseMode(
  mode: Wish | undefined,
  budget: Wish | undefined,
  ability: ThinkingAbility,
): Choice {
  assertBudgetFits(mode, budget);
  const { protocol, policy } = ability;
  const usual: Choice = { requested: defaultMode(policy, protocol), by: undefined };
  if (budget?.budget === 0) {
    return { requested: 'fast', by: mode?.mode === 'fast' ? mode : budget };
  }
  if (mode?.mode !== undefined) {
    const lacksAuto = mode.isLenient === true && protocol.modes.auto === undefined;
    return lacksAuto ? usual : { requested: mode.mode, by: mode };
  }
  return policy.lock ? usual : modeForBudget(budget, usual, protocol);
}

/** Leaving the budget to the model, or giving it one, makes sense only where it may think. */
function modeForBudget(
  budget: Wish | undefined,
  usual: Choice,
  protocol: Pick<Protocol, 'modes'>,
): Choice {
  const tokens = budget?.budget;
  if (tokens === undefined) return usual;
  const hasAuto = protocol.modes.auto !== undefined;
  if (tokens < 0)
    return hasAuto && usual.requested !== 'auto' ? { requested: 'auto', by: budget } : usual;
  return usual.requested === 'fast' ? { requested: hasAuto ? 'auto' : 'think', by: budget } : usual;
}

function assertBudgetFits(mode: Wish | undefined, budget: Wish | undefined): void {
  if (mode === undefined || budget?.budget === undefined) return;
  const tokens = budget.budget;
  if (mode.mode === 'think' && tokens === 0) {
    throw conflict(budget.field, mode.field, 'a budget of 0 rules out thinking.');
  }
  if (mode.mode === 'fast' && tokens > 0) {
    const why = `there is no thinking to spend a budget of ${tokens} on in fast mode.`;
    throw conflict(budget.field, mode.field, why);
  }
}

function assertUnlocked({ requested, by }: Choice, { policy, protocol }: ThinkingAbility): void {
  const only = defaultMode(policy, protocol);
  if (!policy.lock || by === undefined || requested === only) return;
  throw new ApiError(
    'thinking_locked',
    `\`${by.field}\` asks for ${requested}, but this server answers in ${only} mode only.`,
    { param: by.field },
  );
}

function assertModeExists({ requested, by }: Choice, protocol: Pick<Protocol, 'modes'>): void {
  if (protocol.modes[requested] !== undefined) return;
  const field = by?.field ?? 'thinking_mode';
  const listed = availableModes(protocol).join(', ');
  throw unsupported(
    field,
    `asks for ${requested}, which this model cannot do; it can do: ${listed}.`,
  );
}

/** Fields that lean on the choice of the model; a threshold that no other field set is a profile's. */
const LEANING_FIELDS = ['thinking_bias', 'thinking_threshold', 'thinking_profile'] as const;

function resolveDecisionBias(
  body: ChatCompletionRequest,
  choice: Choice,
  { protocol, policy, profiles, loadBias }: ThinkingAbility,
): DecisionBias | null {
  const canSteer = hasDecisionPoint(protocol);
  const bias = body.thinking_bias ?? null;
  const ofProfile = profileThreshold(body, profiles);
  const threshold = body.thinking_threshold ?? ofProfile;
  if (bias !== null || threshold !== null) {
    const field = LEANING_FIELDS.find((name) => (body[name] ?? null) !== null) ?? 'thinking_bias';
    if (!canSteer) {
      const listed = availableModes(protocol).join(', ');
      throw unsupported(
        field,
        `leans on a choice that cannot be measured with the protocol ${protocol.name}; this model can do: ${listed}.`,
      );
    }
    assertChoiceOpen(field, 'leans on the choice of the model', { choice, wanted: ['auto'] });
  }
  if (choice.requested !== 'auto' || !canSteer) return null;
  const decisionBias: DecisionBias = {
    requestBias: bias ?? 0,
    serverBias: policy.bias,
    loadBias,
    threshold: threshold ?? policy.threshold,
    thresholdSource: threshold === null ? 'policy' : 'request',
  };
  const { requestBias, serverBias } = decisionBias;
  const leans = requestBias !== 0 || serverBias !== 0 || loadBias !== 0;
  return leans || decisionBias.threshold !== null ? decisionBias : null;
}

function resolveExtensions(
  body: ChatCompletionRequest,
  choice: Choice,
  protocol: Pick<Protocol, 'name' | 'budget' | 'modes'>,
): number {
  const extensions = body.thinking_extensions ?? 0;
  if (extensions === 0) return 0;
  if (protocol.budget.extension === undefined) {
    const listed = availableModes(protocol).join(', ');
    throw unsupported(
      'thinking_extensions',
      `needs a word to go on thinking, and the protocol ${protocol.name} has none; this model can do: ${listed}.`,
    );
  }
  const wanted: readonly ThinkingMode[] = ['auto', 'think'];
  assertChoiceOpen('thinking_extensions', 'prolongs thinking', { choice, wanted });
  return extensions;
}

function assertChoiceOpen(
  field: string,
  what: string,
  { choice, wanted }: { choice: Choice; wanted: readonly ThinkingMode[] },
): void {
  const { requested, by } = choice;
  if (wanted.includes(requested)) return;
  const why = `the first ${what}, and there is none in ${requested} mode.`;
  if (by !== undefined) throw conflict(field, by.field, why);
  throw unsupported(
    field,
    `${what}, and there is none in ${requested} mode, the server's default.`,
  );
}

function unsupported(field: string, what: string): ApiError {
  return new ApiError('unsupported_value', `\`${field}\` ${what}`, { param: field });
}
