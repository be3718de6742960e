import type { TokenEvent } from '../../engine/generation.ts';
import { bytesOfToken } from '../../package/token-table.ts';
import type { ReplyContext } from './reply-context.ts';

/** A token that was, or could have been, generated. */
export interface TokenChance {
  /** Text of the token; a token that is part of a character reads as U+FFFD. */
  readonly token: string;
  /** null for tokens that the server wrote. */
  readonly logprob: number | null;
  /** Exact bytes; null for control tokens. */
  readonly bytes: number[] | null;
}

/** The log-probability of a generated token and those of its alternatives. */
export interface TokenLogprobs extends TokenChance {
  readonly top: readonly TokenChance[];
  /** Whether the text of the token is part of the content, or of the reasoning beside it. */
  readonly field: 'content' | 'reasoning';
}

/** JSON has no infinity. OpenAI's API documents this value for probability 0. */
const MIN_LOGPROB = -9999;

/** @returns null for a token of hidden thinking, which is hidden too */
export function logprobsOf(
  { tokenId, logprob, topLogprobs, section }: TokenEvent,
  { display, tokens }: Pick<ReplyContext, 'display' | 'tokens'>,
): TokenLogprobs | null {
  const isAnswer = section === 'answer' || display === 'verbatim';
  const isShown =
    isAnswer || display === 'separate' || (display === 'inline' && section === 'reasoning');
  if (!isShown) return null;
  return {
    ...describe(tokenId, logprob, tokens),
    top: (topLogprobs ?? []).map((top) => describe(top.tokenId, top.logprob, tokens)),
    field: isAnswer || display === 'inline' ? 'content' : 'reasoning',
  };
}

function describe(
  tokenId: number,
  logprob: number | null,
  { tokenTable, specialIds }: ReplyContext['tokens'],
): TokenChance {
  const bytes = bytesOfToken(tokenTable, tokenId);
  return {
    token: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
    logprob: logprob === Number.NEGATIVE_INFINITY ? MIN_LOGPROB : logprob,
    bytes: specialIds.has(tokenId) ? null : [...bytes],
  };
}
