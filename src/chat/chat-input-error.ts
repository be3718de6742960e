/** A message or picture the server refuses; http answers it with 400. */
export class ChatInputError extends Error {
  override readonly name = 'ChatInputError';
  /** Machine-readable reason, for example `image_too_large`. */
  readonly code: string;
  /** Where in the request the fault lies, for example `messages[0].content[1]`. */
  readonly param: string;

  constructor(code: string, param: string, message: string) {
    super(message);
    this.code = code;
    this.param = param;
  }
}
