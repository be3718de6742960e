import { ChatInputError } from './chat-input-error.ts';

/**
 * How much of an image the model sees: `low` the base tile alone, `high` the full AnyRes grid, `auto` as many tiles as
 * the server is set to.
 */
export type ImageDetail = 'auto' | 'low' | 'high';

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

export interface ImagePart {
  readonly type: 'image';
  /** data:, http:, https: or file: URL. */
  readonly source: string;
  readonly detail?: ImageDetail | undefined;
  /** The field of the request that holds it; by default its place in `messages`. */
  readonly field?: string | undefined;
}

export type ContentPart = TextPart | ImagePart;

/** A call in an earlier assistant turn. */
export interface ChatToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string | readonly ContentPart[];
  /** Thinking of an earlier assistant turn, where the caller keeps it apart from the content. */
  readonly reasoning?: string | undefined;
  /** Calls of an assistant turn. */
  readonly toolCalls?: readonly ChatToolCall[] | undefined;
  /** Id of the call that a tool message is the result of. */
  readonly toolCallId?: string | undefined;
  /** The field of the request that holds this id; by default its place in `messages`. */
  readonly toolCallIdField?: string | undefined;
  /** Name of the speaker or the tool, for templates that show it. */
  readonly name?: string | undefined;
}

/** What the caller's API calls the fields of a conversation that an error may name. */
export interface ConversationFields {
  readonly messages: string;
  /** The field that makes the last message the beginning of the reply. */
  readonly continuesFinal: string;
  /** The field for a thinking mode, where the request sets none. */
  readonly thinkingMode: string;
}

/** The names of the chat completions API. */
export const CHAT_CONVERSATION_FIELDS: ConversationFields = {
  messages: 'messages',
  continuesFinal: 'continue_final_message',
  thinkingMode: 'thinking_mode',
};

/** Images of a conversation in prompt order, each with the field that holds it. */
export function imagesOf(
  messages: readonly ChatMessage[],
): { readonly part: ImagePart; readonly param: string }[] {
  return messages.flatMap(({ content }, message) => {
    if (typeof content === 'string') return [];
    return content.flatMap((part, index) =>
      part.type === 'image' ? [{ part, param: fieldOf(part, message, index) }] : [],
    );
  });
}

/**
 * The text of an assistant message.
 * @throws ChatInputError where the message has an image
 */
export function assistantText({ content }: ChatMessage, message: number): string {
  if (typeof content === 'string') return content;
  return content
    .map((part, index) => {
      if (part.type === 'text') return part.text;
      throw new ChatInputError(
        'unsupported_content',
        fieldOf(part, message, index),
        'An assistant message cannot hold an image.',
      );
    })
    .join('');
}

function fieldOf({ field }: ImagePart, message: number, index: number): string {
  return field ?? `messages[${message}].content[${index}]`;
}

/** All text of a message; parts are joined by `separator`. */
export function textOf({ content }: Pick<ChatMessage, 'content'>, separator = ''): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? part.text : '')).join(separator);
}
