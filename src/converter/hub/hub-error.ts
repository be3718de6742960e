import { HubApiError } from '@huggingface/hub';

/** A download that cannot go on; the message says what to do about it. */
export class HubError extends Error {
  override readonly name = 'HubError';
}

export interface HubRepository {
  /** `owner/name`. */
  readonly id: string;
  readonly hubUrl: string;
  /** Branch, tag or commit as asked for. */
  readonly revision: string;
}

/** @returns the failure in words of the person who asked for the model */
export function explain(error: unknown, { id, hubUrl, revision }: HubRepository): Error {
  if (error instanceof HubError) return error;
  if (error instanceof HubApiError) {
    return new HubError(statusMessage(error.statusCode, { id, hubUrl, revision }), {
      cause: error,
    });
  }
  // The disk's own words (no space, no permission) name the file already.
  if (error instanceof Error && 'path' in error) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new HubError(
    `The download from ${hubUrl} failed (${reason}). Run the command again; it goes on where it stopped.`,
    { cause: error },
  );
}

function statusMessage(status: number, { id, hubUrl, revision }: HubRepository): string {
  const page = `${hubUrl}/${id}`;
  switch (status) {
    case 401:
      // The hub also answers so for names that do not exist, to tell strangers nothing.
      return `The hub does not show "${id}" to strangers. Check the name; if it is private or gated, open ${page}, accept its terms, and set HF_TOKEN to a token that may read it.`;
    case 403:
      return `HF_TOKEN may not read "${id}". Open ${page}, accept its terms, and use a token of that account.`;
    case 404:
      return `The hub has no "${id}" with revision "${revision}". Check both at ${page}.`;
    case 429:
      return `The hub at ${hubUrl} asks for a pause (status 429). Run the command again later; it goes on where it stopped.`;
    default:
      return `The hub at ${hubUrl} answered with status ${status}. Run the command again; it goes on where it stopped.`;
  }
}
