/** A conversion that cannot go on for a reason the user can act on; the message names the thing and what was found. */
export class ConvertError extends Error {
  override readonly name = 'ConvertError';
}
