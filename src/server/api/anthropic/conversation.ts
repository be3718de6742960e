import { assistantMessage, mergeAssistants, type Turn } from '../../request/turns.ts';
import type { WireMessage } from '../openai-chat/message-schema.ts';
import type { AnthropicMessage, AssistantBlock, TextBlock, UserBlock } from './content-schema.ts';

type UserMessage = Extract<WireMessage, { role: 'user' }>;
type UserPart = Exclude<UserMessage['content'], string>[number];

/**
 * The messages of a chat. Turns of one side in a row become one, as Anthropic's documentation has it; results of tools
 * become messages of their own.
 */
export function toTurns(
  system: string | readonly TextBlock[] | null | undefined,
  messages: readonly AnthropicMessage[],
): Turn[] {
  const instructions = systemTurn(system, 'system');
  const turns = messages.flatMap((message, index) => messageTurns(message, `messages[${index}]`));
  return [...instructions, ...turns].reduce<Turn[]>(appendTurn, []);
}

function messageTurns({ role, content }: AnthropicMessage, origin: string): Turn[] {
  switch (role) {
    case 'user':
      return userTurns(content, origin);
    case 'assistant':
      return [assistantTurn(content, origin)];
    case 'system':
      return systemTurn(content, origin);
  }
}

function systemTurn(
  system: string | readonly TextBlock[] | null | undefined,
  origin: string,
): Turn[] {
  const text = typeof system === 'string' ? system : (system ?? []).map(textOf).join('\n\n');
  return text === '' ? [] : [{ message: { role: 'system', content: text }, origin, parts: [] }];
}

function userTurns(content: string | readonly UserBlock[], origin: string): Turn[] {
  if (typeof content === 'string') {
    const parts = [{ type: 'text' as const, text: content }];
    return [{ message: { role: 'user', content: parts }, origin, parts: [`${origin}.content`] }];
  }
  return content.map((block, index) => {
    const place = `${origin}.content[${index}]`;
    if (block.type !== 'tool_result') {
      return { message: { role: 'user', content: [toPart(block)] }, origin, parts: [place] };
    }
    const message: WireMessage = {
      role: 'tool',
      tool_call_id: block.tool_use_id,
      content: resultText(block),
    };
    return { message, origin: place, parts: [] };
  });
}

function toPart(block: Exclude<UserBlock, { type: 'tool_result' }>): UserPart {
  if (block.type === 'text') return { type: 'text', text: block.text };
  const { source } = block;
  const url =
    source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`;
  return { type: 'image_url', image_url: { url } };
}

function resultText(block: Extract<UserBlock, { type: 'tool_result' }>): string {
  const { content } = block;
  const text = typeof content === 'string' ? content : (content ?? []).map(textOf).join('');
  return block.is_error === true ? `Error: ${text}` : text;
}

function assistantTurn(content: string | readonly AssistantBlock[], origin: string): Turn {
  const blocks = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  const calls = blocks.filter((block) => block.type === 'tool_use');
  const thinking = blocks
    .map((block) => (block.type === 'thinking' ? block.thinking : ''))
    .join('');
  const text = blocks.map((block) => (block.type === 'text' ? block.text : '')).join('');
  const message = assistantMessage({
    text,
    thinking,
    calls: calls.map(({ id, name, input }) => ({
      id,
      type: 'function' as const,
      function: { name, arguments: JSON.stringify(input) },
    })),
  });
  return { message, origin, parts: [] };
}

function appendTurn(turns: Turn[], turn: Turn): Turn[] {
  const last = turns.at(-1);
  const merged =
    last === undefined ? null : (mergeUsers(last, turn) ?? mergeAssistants(last, turn));
  return merged === null ? [...turns, turn] : [...turns.slice(0, -1), merged];
}

/** @returns null where one of the turns is another's */
function mergeUsers(first: Turn, second: Turn): Turn | null {
  if (first.message.role !== 'user' || second.message.role !== 'user') return null;
  const content = [...partsOf(first.message), ...partsOf(second.message)];
  const parts = [...first.parts, ...second.parts];
  return { message: { role: 'user', content }, origin: first.origin, parts };
}

function partsOf({ content }: UserMessage): UserPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

function textOf({ text }: TextBlock): string {
  return text;
}
