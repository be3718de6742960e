import type { ThinkingMode } from '../../package/protocol.ts';
import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import type { EffortLevel, ModeWord } from '../api/openai-chat/thinking-fields.ts';
import { conflict } from '../http/errors.ts';
import type { ThinkingEffort } from './thinking-policy.ts';

/** Where a request may speak of its thinking. */
export interface ControlSource {
  readonly body: ChatCompletionRequest;
  /** Mode behind the colon of `model`. */
  readonly alias: ThinkingMode | null;
  /** Header `x-thinking-mode`. */
  readonly header: ModeWord | null;
}

/** What one field says. */
export interface Wish {
  readonly field: string;
  readonly mode?: ThinkingMode;
  /** Means auto where the model has it, and its default mode where it has not. */
  readonly isLenient?: boolean;
  readonly effort?: ThinkingEffort;
  /** Thinking tokens; -1 leaves it to the model. */
  readonly budget?: number;
}

export interface AgreedWishes {
  readonly mode: Wish | undefined;
  readonly effort: Wish | undefined;
  readonly budget: Wish | undefined;
  /** Every field that asked for something. */
  readonly fields: readonly string[];
}

type Saying = Omit<Wish, 'field'> | null;

const MODES: Readonly<Record<ModeWord, ThinkingMode>> = {
  auto: 'auto',
  think: 'think',
  long: 'think',
  fast: 'fast',
  short: 'fast',
};

/**
 * Every control and what it says. No field outranks another: they must agree. Together they outrank the server's
 * default, which outranks the protocol's.
 */
const CONTROLS: Readonly<Record<string, (source: ControlSource) => Saying>> = {
  thinking_mode: ({ body }) => byWord(body.thinking_mode),
  'chat_template_kwargs.thinking_mode': ({ body }) =>
    byWord(body.chat_template_kwargs?.thinking_mode),
  'chat_template_kwargs.enable_thinking': ({ body }) =>
    bySwitch(body.chat_template_kwargs?.enable_thinking),
  'chat_template_kwargs.thinking': ({ body }) => bySwitch(body.chat_template_kwargs?.thinking),
  enable_thinking: ({ body }) => bySwitch(body.enable_thinking),
  reasoning_effort: ({ body }) => byEffort(body.reasoning_effort),
  'reasoning.effort': ({ body }) => byEffort(body.reasoning?.effort),
  'reasoning.enabled': ({ body }) => bySwitch(body.reasoning?.enabled),
  'reasoning.max_tokens': ({ body }) => byBudget(body.reasoning?.max_tokens),
  'thinking.type': ({ body }) => byType(body.thinking?.type),
  'thinking.budget_tokens': ({ body }) => byBudget(body.thinking?.budget_tokens),
  thinking_budget: ({ body }) => byBudget(body.thinking_budget),
  thinking_token_budget: ({ body }) => byBudget(body.thinking_token_budget),
  reasoning_budget_tokens: ({ body }) => byBudget(body.reasoning_budget_tokens),
  model: ({ alias }) => (alias === null ? null : { mode: alias }),
  'x-thinking-mode': ({ header }) => byWord(header),
};

/** Names of the controls, for documentation and tests. */
export const CONTROL_FIELDS: readonly string[] = Object.keys(CONTROLS);

/**
 * What a request says of mode, effort and budget.
 * @throws ApiError naming two fields that say different things
 */
export function agreedWishes(source: ControlSource): AgreedWishes {
  const wishes = Object.entries(CONTROLS).flatMap(([field, read]): Wish[] => {
    const saying = read(source);
    return saying === null ? [] : [{ field, ...saying }];
  });
  return {
    mode: agreed(wishes, ({ mode }) => mode),
    effort: agreed(wishes, ({ effort }) => effort),
    budget: agreed(wishes, ({ budget }) => budget),
    fields: wishes.map(({ field }) => field),
  };
}

function agreed(
  wishes: readonly Wish[],
  read: (wish: Wish) => string | number | undefined,
): Wish | undefined {
  const said = wishes.filter((wish) => read(wish) !== undefined);
  const [first] = said;
  const other = first && said.find((wish) => read(wish) !== read(first));
  if (first && other) {
    throw conflict(first.field, other.field, `they ask for ${read(first)} and ${read(other)}.`);
  }
  // An auto that some field means to the letter is not lenient.
  return said.find(({ isLenient }) => isLenient !== true) ?? first;
}

function byWord(word: ModeWord | null | undefined): Saying {
  return word ? { mode: MODES[word] } : null;
}

function bySwitch(isOn: boolean | null | undefined): Saying {
  return typeof isOn === 'boolean' ? { mode: isOn ? 'think' : 'fast' } : null;
}

function byEffort(level: EffortLevel | null | undefined): Saying {
  if (!level) return null;
  return level === 'none' ? { mode: 'fast' } : { mode: 'think', effort: level };
}

function byType(type: 'enabled' | 'disabled' | 'adaptive' | 'auto' | undefined): Saying {
  if (type === undefined) return null;
  if (type === 'enabled') return { mode: 'think' };
  return type === 'disabled' ? { mode: 'fast' } : { mode: 'auto', isLenient: true };
}

function byBudget(budget: number | null | undefined): Saying {
  return typeof budget === 'number' ? { budget } : null;
}
