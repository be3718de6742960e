/** Reasons for which a conversation or its images are rejected. */
export type ChatErrorCode =
  | 'context_length_exceeded'
  | 'image_placeholder_mismatch'
  | 'image_too_large'
  | 'images_not_supported'
  | 'invalid_image'
  | 'invalid_image_url'
  | 'invalid_messages'
  | 'invalid_value'
  | 'too_many_images'
  | 'unsupported_content'
  | 'unsupported_image_format'
  | 'unsupported_text'
  | 'unsupported_value';

/** A message or image that is rejected; the HTTP layer answers with the status of the code. */
export class ChatInputError extends Error {
  override readonly name = 'ChatInputError';
  readonly code: ChatErrorCode;
  /** The field at fault, for example `messages[0].content[1]`. */
  readonly param: string;

  constructor(code: ChatErrorCode, param: string, message: string) {
    super(message);
    this.code = code;
    this.param = param;
  }
}
