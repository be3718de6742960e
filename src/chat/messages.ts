/** How closely a picture is looked at: `low` is the base tile alone, everything else the full AnyRes grid. */
export type ImageDetail = 'auto' | 'low' | 'high';

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

export interface ImagePart {
  readonly type: 'image';
  /** data:, http: or https: URL. */
  readonly source: string;
  readonly detail?: ImageDetail | undefined;
}

export type ContentPart = TextPart | ImagePart;

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string | readonly ContentPart[];
  /** Thinking of an earlier assistant turn, where the caller kept it apart from the content. */
  readonly reasoning?: string | undefined;
}

/** Pictures of a conversation in prompt order, each with its place in the request. */
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
