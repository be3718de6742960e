import type { Protocol, ThinkingMode } from '../model-package/protocol.ts';
import { ApiError, conflict } from './errors.ts';
import type { ChatCompletionRequest } from './request-schema.ts';

export interface ThinkingOptions {
  readonly requested: ThinkingMode;
  readonly source: 'request' | 'policy';
  /** Most thinking tokens; null leaves it to the model. */
  readonly budget: number | null;
}

interface Wish {
  readonly field: string;
  readonly mode: ThinkingMode;
}

type ModeWord = NonNullable<ChatCompletionRequest['thinking_mode']>;

const MODES: Readonly<Record<ModeWord, ThinkingMode>> = {
  auto: 'auto',
  think: 'think',
  long: 'think',
  fast: 'fast',
  short: 'fast',
};

/**
 * One mode and one budget out of the fields that speak of thinking. Fields that name a mode must agree; a budget of 0
 * means fast, and a budget where there is to be no thinking is refused.
 * @throws ApiError naming both fields of a contradiction, or the modes the model has.
 */
export function resolveThinking(
  body: ChatCompletionRequest,
  protocol: Pick<Protocol, 'modes' | 'defaultMode'>,
): ThinkingOptions {
  const wish = agreedWish(body);
  const budget = body.thinking_budget ?? -1;
  const options =
    budget === 0 ? withoutThinking(wish) : withBudget(wish, budget, protocol.defaultMode);
  assertModeExists(options.requested, protocol, wish?.field ?? 'thinking_budget');
  return options;
}

function agreedWish(body: ChatCompletionRequest): Wish | undefined {
  const wishes = wishesOf(body);
  const [first] = wishes;
  const other = wishes.find((wish) => wish.mode !== first?.mode);
  if (first !== undefined && other !== undefined) {
    throw conflict(first.field, other.field, `they ask for ${first.mode} and ${other.mode}.`);
  }
  return first;
}

function wishesOf(body: ChatCompletionRequest): readonly Wish[] {
  const wishes: Wish[] = [];
  const kwargs = body.chat_template_kwargs;
  if (body.thinking_mode) wishes.push({ field: 'thinking_mode', mode: MODES[body.thinking_mode] });
  if (kwargs?.thinking_mode) {
    wishes.push({
      field: 'chat_template_kwargs.thinking_mode',
      mode: MODES[kwargs.thinking_mode],
    });
  }
  if (typeof kwargs?.enable_thinking === 'boolean') {
    wishes.push({
      field: 'chat_template_kwargs.enable_thinking',
      mode: kwargs.enable_thinking ? 'think' : 'fast',
    });
  }
  return wishes;
}

function withoutThinking(wish: Wish | undefined): ThinkingOptions {
  if (wish?.mode === 'think') {
    throw conflict('thinking_budget', wish.field, 'a budget of 0 rules out thinking.');
  }
  return { requested: 'fast', source: 'request', budget: 0 };
}

function withBudget(
  wish: Wish | undefined,
  budget: number,
  defaultMode: ThinkingMode,
): ThinkingOptions {
  const requested = wish?.mode ?? defaultMode;
  if (budget > 0 && requested === 'fast') {
    const why = `there is no thinking to spend a budget of ${budget} on in fast mode.`;
    throw conflict('thinking_budget', wish?.field ?? 'thinking_mode', why);
  }
  return {
    requested,
    source: wish === undefined ? 'policy' : 'request',
    budget: budget < 0 ? null : budget,
  };
}

function assertModeExists(
  mode: ThinkingMode,
  protocol: Pick<Protocol, 'modes'>,
  field: string,
): void {
  if (protocol.modes[mode] !== undefined) return;
  const listed = availableModes(protocol).join(', ');
  throw new ApiError(
    'unsupported_value',
    `\`${field}\` asks for ${mode}, which this model cannot do; it can do: ${listed}.`,
    { param: field },
  );
}

/** Modes the model's protocol has, in a fixed order. */
export function availableModes(protocol: Pick<Protocol, 'modes'>): ThinkingMode[] {
  const all: readonly ThinkingMode[] = ['auto', 'think', 'fast'];
  return all.filter((mode) => protocol.modes[mode] !== undefined);
}
