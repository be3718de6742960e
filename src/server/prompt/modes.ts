import type { DecidedMode, ModeRow, Protocol, ThinkingMode } from '../../package/protocol.ts';
import { type ChatMessage, type ContentPart, textOf } from './messages.ts';

/** Degrees of thinking that a protocol may know by name. */
export type EffortRow = keyof NonNullable<Protocol['efforts']>;

/** A mode of a protocol; thinking of a named degree is the mode `think` with the changes of that degree. */
export function modeRowOf(
  protocol: Pick<Protocol, 'modes' | 'efforts'>,
  mode: ThinkingMode,
  effort: EffortRow | null = null,
): ModeRow | undefined {
  const row = protocol.modes[mode];
  const changes = effort === null || mode !== 'think' ? undefined : protocol.efforts?.[effort];
  return row && { ...row, ...changes };
}

/** The budget as a variable of the chat template, where the family was trained to read one. */
export function budgetVariable(
  { budget: { templateVariable } }: Pick<Protocol, 'budget'>,
  budget: number | null,
): Record<string, number> {
  return templateVariable === undefined || budget === null ? {} : { [templateVariable]: budget };
}

type ModeTexts = Pick<ModeRow, 'userPrefix' | 'userSuffix' | 'system'>;

/**
 * Writes a mode's texts into the conversation: around the text of the last user message, and in front of the system
 * message. A conversation without a system message gets one; templates take only one.
 */
export function applyModeTexts(
  messages: readonly ChatMessage[],
  { userPrefix = '', userSuffix = '', system = '' }: ModeTexts,
): ChatMessage[] {
  if (userPrefix + userSuffix + system === '') return [...messages];
  const lastUser = messages.map(({ role }) => role).lastIndexOf('user');
  const told = messages.map((message, index) =>
    index === lastUser ? surround(message, userPrefix, userSuffix) : message,
  );
  return system === '' ? told : surroundSystem(told, `${system}\n\n`, '');
}

function surround(message: ChatMessage, prefix: string, suffix: string): ChatMessage {
  const { content } = message;
  if (typeof content === 'string') return { ...message, content: prefix + content + suffix };
  return { ...message, content: addText(addText(content, 'first', prefix), 'last', suffix) };
}

/** Adds to the first or last text; images keep their places. */
function addText(
  parts: readonly ContentPart[],
  which: 'first' | 'last',
  added: string,
): readonly ContentPart[] {
  if (added === '') return parts;
  const types = parts.map(({ type }) => type);
  const at = which === 'first' ? types.indexOf('text') : types.lastIndexOf('text');
  if (at < 0) return [...parts, { type: 'text', text: added }];
  return parts.map((part, index) => {
    if (index !== at || part.type !== 'text') return part;
    return { type: 'text', text: which === 'first' ? added + part.text : part.text + added };
  });
}

/** Puts text around that of the system message; a conversation without one gets it. */
export function surroundSystem(
  messages: readonly ChatMessage[],
  prefix: string,
  suffix: string,
): ChatMessage[] {
  const [first, ...rest] = messages;
  if (first?.role !== 'system') {
    return [{ role: 'system', content: (prefix + suffix).trim() }, ...messages];
  }
  return [surround(first, prefix, suffix), ...rest];
}

/**
 * Finds the mode that the user's own words ask for, in families that were trained to follow such words (`/no_think`).
 * The words stay text and change nothing here; where the model follows them, this tells who made the choice. The latest
 * words count.
 * @returns null where there are none, or the family knows none
 */
export function softSwitchIn(
  messages: readonly ChatMessage[],
  { softSwitch }: Pick<Protocol, 'softSwitch'>,
): DecidedMode | null {
  if (softSwitch === undefined) return null;
  for (const message of messages.toReversed()) {
    if (message.role !== 'user' && message.role !== 'system') continue;
    const mode = latestIn(textOf(message, '\n'), softSwitch);
    if (mode !== null) return mode;
  }
  return null;
}

function latestIn(
  text: string,
  switches: Readonly<Record<string, DecidedMode>>,
): DecidedMode | null {
  const found = Object.entries(switches).map(([words, mode]) => ({
    at: text.lastIndexOf(words),
    mode,
  }));
  const [latest] = found.sort((left, right) => right.at - left.at);
  return latest === undefined || latest.at < 0 ? null : latest.mode;
}
