import { ApiError } from '../http/errors.ts';
import { ChatInputError } from '../prompt/chat-input-error.ts';

type FieldNames = (field: string) => string;

/**
 * A refusal with its fields called as `fieldName` has it, in the message and as `param`.
 * @returns what is no refusal as it is
 */
export function renamed(error: unknown, fieldName: FieldNames): unknown {
  if (!(error instanceof ApiError) && !(error instanceof ChatInputError)) return error;
  const retryAfterSeconds = error instanceof ApiError ? error.retryAfterSeconds : null;
  const message = error.message.replace(
    /`([^`]+)`/g,
    (_, field: string) => `\`${fieldName(field)}\``,
  );
  return new ApiError(error.code, message, {
    ...(error.param !== null && { param: fieldName(error.param) }),
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
    cause: error.cause,
  });
}

/** Runs what may refuse a field by another name than the caller's. */
export function inCallersNames<T>(fieldName: FieldNames, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw renamed(error, fieldName);
  }
}
