import type { ModeRow } from '../../package/protocol.ts';
import type { ChatMessage, ContentPart } from './messages.ts';

type ModeTexts = Pick<ModeRow, 'userPrefix' | 'userSuffix' | 'system'>;

/**
 * Writes a mode's texts into the conversation: around the text of the last user message, and in front of the system
 * message, which is made where there is none. Templates take one system message, so there is never a second.
 */
export function applyModeTexts(
  messages: readonly ChatMessage[],
  { userPrefix = '', userSuffix = '', system = '' }: ModeTexts,
): ChatMessage[] {
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

/** To the first or last text there is; images keep their places. */
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

/** Puts text around the system message's, which is made where there is none. */
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
