import type { DecisionBias } from '../../engine/thinking/decision.ts';
import { hasDecisionPoint } from '../../engine/thinking/protocol-tokens.ts';
import type { ThinkingProfiles } from '../../package/profile.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';
import { ApiError, conflict } from '../http/errors.ts';
import type { EffortRow } from '../prompt/modes.ts';
import {
  type ResolvedControls,
  resolveControls,
  type ThinkingControl,
  type ThinkingFields,
} from './thinking-controls.ts';
import {
  availableModes,
  defaultMode,
  profileNames,
  type ThinkingEffort,
  type ThinkingPolicy,
} from './thinking-policy.ts';

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
  /** null where nothing biases the choice, or there is no choice. */
  readonly decisionBias: DecisionBias | null;
  readonly extensions: number;
  readonly breakLoops: boolean;
  readonly stopInThinking: boolean;
}

/** What the model can do and the operator allows. */
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

/** The closest degree that a protocol may know by name; other levels are budgets. */
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
  /** The control that asked for it; undefined for the default. */
  readonly by: ThinkingControl | undefined;
}

/**
 * Resolves everything a request says about thinking to one mode, one budget and one bias.
 * @param defaultField the field that errors name where the mode is the server's default
 * @throws ApiError naming both fields of a contradiction, or what the model can do instead
 */
export function resolveThinking(
  thinking: ThinkingFields,
  ability: ThinkingAbility,
  defaultField: string,
): ThinkingOptions {
  const { protocol, policy } = ability;
  const controls = resolveControls(thinking.controls);
  const effort = controls.effort?.effort;
  const budget = budgetOf(controls, ability);
  const choice = chooseMode(controls.mode, budget, ability);
  assertAllowed(choice, ability, defaultField);
  const asked = budget?.budget ?? (choice.requested === 'fast' ? -1 : (policy.budget ?? -1));
  return {
    requested: choice.requested,
    source: choice.by === undefined || policy.lock ? 'policy' : 'request',
    askedBy: choice.by?.field ?? null,
    fields: controls.fields,
    budget: asked < 0 ? null : asked,
    effort: effort === undefined || protocol.efforts === undefined ? null : NEAREST_ROW[effort],
    decisionBias: resolveDecisionBias(thinking, choice, ability),
    extensions: resolveExtensions(thinking, choice, protocol),
    breakLoops: thinking.breakLoops,
    stopInThinking: thinking.stopInThinking,
  };
}

/** An effort is a budget, unless the protocol has words for it or the level is without limit. */
function budgetOf(
  { budget, effort }: ResolvedControls,
  { protocol, policy }: ThinkingAbility,
): ThinkingControl | undefined {
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
  mode: ThinkingControl | undefined,
  budget: ThinkingControl | undefined,
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
  budget: ThinkingControl | undefined,
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

function assertBudgetFits(
  mode: ThinkingControl | undefined,
  budget: ThinkingControl | undefined,
): void {
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

/** @throws ApiError where the server is locked to another mode, or the model has no such mode */
function assertAllowed(
  { requested, by }: Choice,
  { policy, protocol }: ThinkingAbility,
  defaultField: string,
): void {
  const only = defaultMode(policy, protocol);
  if (policy.lock && by !== undefined && requested !== only) {
    throw new ApiError(
      'thinking_locked',
      `\`${by.field}\` asks for ${requested}, but this server answers in ${only} mode only.`,
      { param: by.field },
    );
  }
  if (protocol.modes[requested] !== undefined) return;
  const listed = availableModes(protocol).join(', ');
  throw unsupported(
    by?.field ?? defaultField,
    `asks for ${requested}, which this model cannot do; it can do: ${listed}.`,
  );
}

function resolveDecisionBias(
  thinking: ThinkingFields,
  choice: Choice,
  { protocol, policy, profiles, loadBias }: ThinkingAbility,
): DecisionBias | null {
  const isMeasured = hasDecisionPoint(protocol);
  const ofProfile = profileThreshold(thinking, profiles);
  const threshold = thinking.threshold ?? ofProfile;
  const field = biasField(thinking);
  if (field !== null) {
    if (!isMeasured) {
      const listed = availableModes(protocol).join(', ');
      throw unsupported(
        field,
        `biases a choice that cannot be measured with the protocol ${protocol.name}; this model can do: ${listed}.`,
      );
    }
    assertChoiceOpen(field, 'biases the choice of the model', { choice, wanted: ['auto'] });
  }
  if (choice.requested !== 'auto' || !isMeasured) return null;
  const bias: DecisionBias = {
    requestBias: thinking.bias ?? 0,
    serverBias: policy.bias,
    loadBias,
    threshold: threshold ?? policy.threshold,
    thresholdSource: threshold === null ? 'policy' : 'request',
  };
  const { requestBias, serverBias } = bias;
  const isBiased = requestBias !== 0 || serverBias !== 0 || loadBias !== 0;
  return isBiased || bias.threshold !== null ? bias : null;
}

/** The field that biases the model's choice; null where there is none. */
export function biasField({ bias, threshold, profile }: ThinkingFields): string | null {
  if (bias !== null) return 'thinking_bias';
  if (threshold !== null) return 'thinking_threshold';
  return profile === null ? null : 'thinking_profile';
}

/**
 * The threshold of the profile that a request names.
 * @returns null where it names none
 * @throws ApiError listing the profiles of the model, or naming a field that biases the same choice
 */
function profileThreshold(
  { profile: name, bias, threshold }: ThinkingFields,
  profiles: ThinkingProfiles,
): number | null {
  if (name === null) return null;
  const field = 'thinking_profile';
  const other = bias !== null ? 'thinking_bias' : threshold !== null ? 'thinking_threshold' : null;
  if (other !== null) {
    throw conflict(other, field, 'a profile is a calibrated threshold of its own.');
  }
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return profile.threshold;
  const shown = JSON.stringify(name.slice(0, 100));
  throw unsupported(
    field,
    `${shown} is not a profile of this model; it has: ${profileNames(profiles)}.`,
  );
}

function resolveExtensions(
  { extensions }: ThinkingFields,
  choice: Choice,
  protocol: Pick<Protocol, 'name' | 'budget' | 'modes'>,
): number {
  if (extensions === 0) return 0;
  if (protocol.budget.extension === undefined) {
    const listed = availableModes(protocol).join(', ');
    throw unsupported(
      'thinking_extensions',
      `needs an extension text, and the protocol ${protocol.name} has none; this model can do: ${listed}.`,
    );
  }
  const wanted: readonly ThinkingMode[] = ['auto', 'think'];
  assertChoiceOpen('thinking_extensions', 'extends thinking', { choice, wanted });
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
