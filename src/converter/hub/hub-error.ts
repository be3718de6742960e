import { HubApiError } from '@huggingface/hub';

/** A download fails; the message says what to do. */
export class HubError extends Error {
  override readonly name = 'HubError';
}

export interface HubRepository {
  /** `owner/name`. */
  readonly id: string;
  readonly hubUrl: string;
  /** Requested branch, tag or commit. */
  readonly revision: string;
}

/** @returns an error with a message for the user */
export function explain(error: unknown, { id, hubUrl, revision }: HubRepository): Error {
  if (error instanceof HubError) return error;
  if (error instanceof HubApiError) {
    return new HubError(statusMessage(error.statusCode, { id, hubUrl, revision }), {
      cause: error,
    });
  }
  // A file system error (no space, no permission) already names the file.
  if (error instanceof Error && 'path' in error) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new HubError(
    `The download from ${hubUrl} failed (${reason}). Run the command again; it resumes the download.`,
    { cause: error },
  );
}

function statusMessage(status: number, { id, hubUrl, revision }: HubRepository): string {
  const page = `${hubUrl}/${id}`;
  switch (status) {
    case 401:
      // The hub also returns 401 for a name that does not exist, to hide which private names do.
      return `The hub has no public "${id}". Check the name. If it is private or gated, open ${page}, accept its terms, and set HF_TOKEN to a token that may read it.`;
    case 403:
      return `HF_TOKEN may not read "${id}". Open ${page}, accept its terms, and use a token of that account.`;
    case 404:
      return `The hub has no "${id}" with revision "${revision}". Check both at ${page}.`;
    case 429:
      return `The hub at ${hubUrl} limits the request rate (status 429). Run the command again later; it resumes the download.`;
    default:
      return `The hub at ${hubUrl} answered with status ${status}. Run the command again; it resumes the download.`;
  }
}
