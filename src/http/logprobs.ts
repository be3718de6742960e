import { bytesOfToken } from '../chat/token-table.ts';
import type { TokenEvent } from '../engine/generation.ts';
import type { ChoiceLogprobs, LogprobEntry } from './response-schema.ts';
import type { ServedModel } from './served-model.ts';

type TokenSource = Pick<ServedModel, 'tokenTable' | 'specialIds'>;

/**
 * One token's entry in OpenAI's shape. A token that is part of a character shows as U+FFFD; its bytes are exact.
 */
export function toLogprobEntry(event: TokenEvent, source: TokenSource): LogprobEntry {
  return {
    ...describe(event.tokenId, event.logprob, source),
    top_logprobs: (event.topLogprobs ?? []).map(({ tokenId, logprob }) =>
      describe(tokenId, logprob, source),
    ),
  };
}

/** The entry under the list of the token's side. */
export function logprobsOf(event: TokenEvent, source: TokenSource): ChoiceLogprobs {
  const entry = toLogprobEntry(event, source);
  return event.side === 'answer'
    ? { content: [entry], refusal: null, reasoning_content: [] }
    : { content: [], refusal: null, reasoning_content: [entry] };
}

function describe(
  tokenId: number,
  logprob: number | null,
  { tokenTable, specialIds }: TokenSource,
): Omit<LogprobEntry, 'top_logprobs'> {
  const bytes = bytesOfToken(tokenTable, tokenId);
  return {
    token: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
    // JSON has no infinity: a token with probability 0 gets the value OpenAI's interface documents for that.
    logprob: logprob === Number.NEGATIVE_INFINITY ? -9999 : logprob,
    bytes: specialIds.has(tokenId) ? null : [...bytes],
  };
}
