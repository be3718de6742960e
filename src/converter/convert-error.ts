/** A conversion fails for a reason that the user can act on. The message names the file or field and its value. */
export class ConvertError extends Error {
  override readonly name = 'ConvertError';
}
