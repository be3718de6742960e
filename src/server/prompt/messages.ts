/** How closely an image is looked at: `low` by the base tile alone, `high` by the full AnyRes grid, `auto` by as much of it as the server is set to. */
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
}

export type ContentPart = TextPart | ImagePart;

/** A call of an earlier assistant turn. */
export interface ChatToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string | readonly ContentPart[];
  /** Thinking of an earlier assistant turn, where the caller kept it apart from the content. */
  readonly reasoning?: string | undefined;
  /** Of an assistant's turn. */
  readonly toolCalls?: readonly ChatToolCall[] | undefined;
  /** The call a tool's message is the result of. */
  readonly toolCallId?: string | undefined;
  /** Of the speaker or the tool, for templates that show it. */
  readonly name?: string | undefined;
}

/** Images of a conversation in prompt order, each with its place in the request. */
export function imagesOf(
  messages: readonly ChatMessage[],
): { readonly part: ImagePart; readonly param: string }[] {
  return messages.flatMap(({ content }, message) => {
    if (typeof content === 'string') return [];
    return content.flatMap((part, index) =>
      part.type === 'image' ? [{ part, param: `messages[${message}].content[${index}]` }] : [],
    );
  });
}
