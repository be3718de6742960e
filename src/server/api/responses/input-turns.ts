import {
  type AssistantContent,
  assistantMessage,
  mergeAssistants,
  type Turn,
} from '../../request/turns.ts';
import type { WireMessage } from '../openai-chat/message-schema.ts';
import type { InputItem, UserItem } from './input-schema.ts';

type UserPart = Exclude<Extract<WireMessage, { role: 'user' }>['content'], string>[number];

/**
 * The messages of a chat. What the assistant wrote comes in several items (thinking, text, calls), which become one
 * message; instructions come before a system message that opens the input, in one with it.
 */
export function toTurns(
  instructions: string | null | undefined,
  input: string | readonly InputItem[],
): Turn[] {
  const turns =
    typeof input === 'string'
      ? [userTurn({ content: input }, 'input')]
      : input.map((item, index) => toTurn(item, `input[${index}]`)).reduce(appendTurn, []);
  return instructions ? withInstructions(instructions, turns) : turns;
}

function toTurn(item: InputItem, origin: string): Turn {
  switch (item.type) {
    case 'reasoning':
      return assistantTurn({ thinking: thinkingOf(item) }, origin);
    case 'function_call': {
      const { call_id: callId, name, arguments: text } = item;
      const call = { id: callId, type: 'function' as const, function: { name, arguments: text } };
      return assistantTurn({ calls: [call] }, origin);
    }
    case 'function_call_output': {
      const { call_id: callId, output } = item;
      const content = textOf(output, '');
      const message: WireMessage = { role: 'tool', tool_call_id: callId, content };
      return { message, origin, parts: [] };
    }
    default:
      return messageTurn(item, origin);
  }
}

function messageTurn(
  item: Exclude<InputItem, { type: 'reasoning' | 'function_call' | 'function_call_output' }>,
  origin: string,
): Turn {
  switch (item.role) {
    case 'assistant':
      return assistantTurn({ text: textOf(item.content, '') }, origin);
    case 'user':
      return userTurn(item, origin);
    case 'system':
    case 'developer': {
      const content = textOf(item.content, '\n\n');
      return { message: { role: 'system', content }, origin, parts: [] };
    }
  }
}

function userTurn({ content }: Pick<UserItem, 'content'>, origin: string): Turn {
  if (typeof content === 'string') {
    return { message: { role: 'user', content }, origin, parts: [] };
  }
  const parts = content.map((_, index) => `${origin}.content[${index}]`);
  return { message: { role: 'user', content: content.map(toPart) }, origin, parts };
}

function toPart(part: Exclude<UserItem['content'], string>[number]): UserPart {
  if (part.type === 'input_text') return { type: 'text', text: part.text };
  const { image_url: url, detail } = part;
  return { type: 'image_url', image_url: { url, ...(detail && { detail }) } };
}

function assistantTurn(
  { text = '', thinking = '', calls = [] }: Partial<AssistantContent>,
  origin: string,
): Turn {
  return { message: assistantMessage({ text, thinking, calls }), origin, parts: [] };
}

function thinkingOf({ content, summary }: Extract<InputItem, { type: 'reasoning' }>): string {
  const texts = content && content.length > 0 ? content : summary;
  return texts.map(({ text }) => text).join('\n\n');
}

function textOf(content: string | readonly { readonly text: string }[], between: string): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join(between);
}

function appendTurn(turns: Turn[], turn: Turn): Turn[] {
  const last = turns.at(-1);
  const merged = last === undefined ? null : mergeAssistants(last, turn);
  return merged === null ? [...turns, turn] : [...turns.slice(0, -1), merged];
}

function withInstructions(instructions: string, turns: readonly Turn[]): Turn[] {
  const [first, ...rest] = turns;
  const opens = first?.message.role === 'system';
  const text = opens ? `${instructions}\n\n${String(first.message.content)}` : instructions;
  const turn: Turn = {
    message: { role: 'system', content: text },
    origin: opens ? first.origin : 'instructions',
    parts: [],
  };
  return [turn, ...(opens ? rest : turns)];
}
