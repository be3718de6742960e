import type { Tool } from '../reply/tool-calls/tool.ts';
import { ChatInputError } from './chat-input-error.ts';
import type { ChatMessage } from './messages.ts';

/**
 * Hides what a user typed from everything that looks for added tokens: each character that could begin one is replaced
 * by a stand-in that occurs nowhere in the conversation. So a token that is spelled out in a message, or put together
 * from the end of one part and the start of the next, stays text.
 *
 * Added tokens of white space alone control nothing; the mask leaves them as they are.
 */
export class LookAlikeMask {
  readonly #standIn: ReadonlyMap<string, string>;
  readonly #original: ReadonlyMap<string, string>;

  /**
   * @param markers texts whose first characters are hidden: added tokens and the protocol's tags
   * @param texts where the stand-ins must not occur
   * @throws ChatInputError where the conversation uses every private-use character
   */
  constructor(markers: readonly string[], texts: readonly string[]) {
    const first = new Set(markers.filter((text) => text.trim() !== '').map(firstCharacter));
    const used = new Set<string>();
    for (const text of texts) for (const character of text) used.add(character);
    const standIn = new Map<string, string>();
    let codePoint = FIRST_STAND_IN;
    for (const character of first) {
      while (used.has(String.fromCodePoint(codePoint))) codePoint += 1;
      if (codePoint > LAST_STAND_IN) {
        throw new ChatInputError(
          'unsupported_text',
          'messages',
          'The messages use every private-use character there is; none is left to mark text with.',
        );
      }
      standIn.set(character, String.fromCodePoint(codePoint));
      codePoint += 1;
    }
    this.#standIn = standIn;
    this.#original = new Map([...standIn].map(([character, replaced]) => [replaced, character]));
  }

  hide(text: string): string {
    return replaceCharacters(text, this.#standIn);
  }

  restore(text: string): string {
    return replaceCharacters(text, this.#original);
  }
}

/** Supplementary private use area A, whose characters have no meaning and no normal form but themselves. */
const FIRST_STAND_IN = 0xf0000;
const LAST_STAND_IN = 0xffffd;

function firstCharacter(text: string): string {
  return String.fromCodePoint(text.codePointAt(0) ?? 0);
}

function replaceCharacters(text: string, replacements: ReadonlyMap<string, string>): string {
  let replaced = text;
  for (const [from, to] of replacements) replaced = replaced.replaceAll(from, to);
  return replaced;
}

/** The message with everything that its sender wrote hidden. */
export function hideMessage(message: ChatMessage, mask: LookAlikeMask): ChatMessage {
  const { content, reasoning, toolCalls, toolCallId, name } = message;
  return {
    ...message,
    content:
      typeof content === 'string'
        ? mask.hide(content)
        : content.map((part) =>
            part.type === 'text' ? { ...part, text: mask.hide(part.text) } : part,
          ),
    ...(reasoning !== undefined && { reasoning: mask.hide(reasoning) }),
    ...(toolCallId !== undefined && { toolCallId: mask.hide(toolCallId) }),
    ...(name !== undefined && { name: mask.hide(name) }),
    ...(toolCalls !== undefined && {
      toolCalls: toolCalls.map(({ id, name, arguments: values }) => ({
        id: mask.hide(id),
        name: mask.hide(name),
        arguments: hideValues(values, mask),
      })),
    }),
  };
}

export function hideTool({ name, description, parameters }: Tool, mask: LookAlikeMask): Tool {
  return {
    name: mask.hide(name),
    ...(description !== undefined && { description: mask.hide(description) }),
    ...(parameters !== undefined && { parameters: hideValues(parameters, mask) }),
  };
}

/** All texts of a request: the stand-ins of its mask occur in none of them. */
export function textsOf(messages: readonly ChatMessage[], tools: readonly Tool[]): string[] {
  return [
    ...messages.flatMap(({ content, reasoning = '', name = '', toolCallId = '', toolCalls }) => [
      reasoning,
      name,
      toolCallId,
      JSON.stringify(toolCalls ?? []),
      ...(typeof content === 'string'
        ? [content]
        : content.map((part) => (part.type === 'text' ? part.text : ''))),
    ]),
    JSON.stringify(tools),
  ];
}

type Values = Readonly<Record<string, unknown>>;

function hideValues(values: Values, mask: LookAlikeMask): Values {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [mask.hide(key), hideValue(value, mask)]),
  );
}

function hideValue(value: unknown, mask: LookAlikeMask): unknown {
  if (typeof value === 'string') return mask.hide(value);
  if (Array.isArray(value)) return value.map((item) => hideValue(item, mask));
  if (typeof value !== 'object' || value === null) return value;
  return hideValues(Object.fromEntries(Object.entries(value)), mask);
}
