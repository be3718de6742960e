import type { ThinkingMode } from '../../package/protocol.ts';
import { conflict } from '../http/errors.ts';
import type { ThinkingEffort } from './thinking-policy.ts';

/** Words for the modes; `long` and `short` are R-4B's own names of think and fast. */
export type ModeWord = ThinkingMode | 'long' | 'short';

/** What one field of a request asks for. */
export interface ThinkingControl {
  readonly field: string;
  readonly mode?: ThinkingMode;
  /** Means auto where the model has it, and the model's default mode where it has not. */
  readonly isLenient?: boolean;
  readonly effort?: ThinkingEffort;
  /** Thinking tokens; -1 leaves the number to the model. */
  readonly budget?: number;
}

/** Everything a request says about thinking. */
export interface ThinkingFields {
  readonly controls: readonly ThinkingControl[];
  /** Added to the logit of thinking at the decision point. */
  readonly bias: number | null;
  /** Probability from which on the model thinks. */
  readonly threshold: number | null;
  /** Name of a calibrated threshold. */
  readonly profile: string | null;
  /** Times the end of thinking is replaced by the protocol's extension text (budget forcing, s1). */
  readonly extensions: number;
  readonly breakLoops: boolean;
  readonly stopInThinking: boolean;
}

/** A request that says nothing about thinking. */
export const NO_THINKING_FIELDS: ThinkingFields = {
  controls: [],
  bias: null,
  threshold: null,
  profile: null,
  extensions: 0,
  breakLoops: true,
  stopInThinking: false,
};

/** The controls of a request after they were found to agree. */
export interface ResolvedControls {
  readonly mode: ThinkingControl | undefined;
  readonly effort: ThinkingControl | undefined;
  readonly budget: ThinkingControl | undefined;
  /** Every field that asks for something. */
  readonly fields: readonly string[];
}

/** What a field asks for; null where it is not given. */
export type ControlValue = Omit<ThinkingControl, 'field'> | null;

/** The controls of a body: field names to what they say, in the order in which errors name them. */
export function namedControls(values: Readonly<Record<string, ControlValue>>): ThinkingControl[] {
  return Object.entries(values).flatMap(([field, value]) =>
    value === null ? [] : [{ field, ...value }],
  );
}

const MODES: Readonly<Record<ModeWord, ThinkingMode>> = {
  auto: 'auto',
  think: 'think',
  long: 'think',
  fast: 'fast',
  short: 'fast',
};

export function modeControl(word: ModeWord | null | undefined): ControlValue {
  return word ? { mode: MODES[word] } : null;
}

export function switchControl(isOn: boolean | null | undefined): ControlValue {
  return typeof isOn === 'boolean' ? { mode: isOn ? 'think' : 'fast' } : null;
}

export function effortControl(level: ThinkingEffort | 'none' | null | undefined): ControlValue {
  if (!level) return null;
  return level === 'none' ? { mode: 'fast' } : { mode: 'think', effort: level };
}

/** The types of Anthropic's `thinking` field, which other APIs took over. */
export function typeControl(
  type: 'enabled' | 'disabled' | 'adaptive' | 'auto' | undefined,
): ControlValue {
  if (type === undefined) return null;
  if (type === 'enabled') return { mode: 'think' };
  return type === 'disabled' ? { mode: 'fast' } : { mode: 'auto', isLenient: true };
}

export function budgetControl(budget: number | null | undefined): ControlValue {
  return typeof budget === 'number' ? { budget } : null;
}

/**
 * Mode, effort and budget out of all controls. No field outranks another: they must agree. Together they outrank the
 * server's default, which outranks the protocol's.
 * @throws ApiError naming two fields that ask for different things
 */
export function resolveControls(controls: readonly ThinkingControl[]): ResolvedControls {
  return {
    mode: agreed(controls, ({ mode }) => mode),
    effort: agreed(controls, ({ effort }) => effort),
    budget: agreed(controls, ({ budget }) => budget),
    fields: controls.map(({ field }) => field),
  };
}

function agreed(
  controls: readonly ThinkingControl[],
  read: (control: ThinkingControl) => string | number | undefined,
): ThinkingControl | undefined {
  const given = controls.filter((control) => read(control) !== undefined);
  const [first] = given;
  const other = first && given.find((control) => read(control) !== read(first));
  if (first && other) {
    throw conflict(first.field, other.field, `they ask for ${read(first)} and ${read(other)}.`);
  }
  // A strict auto outranks a lenient one: the model must have the mode then.
  return given.find(({ isLenient }) => isLenient !== true) ?? first;
}
