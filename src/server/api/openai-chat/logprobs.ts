import type { TokenEvent } from '../../../engine/generation.ts';
import { bytesOfToken } from '../../../package/token-table.ts';
import type { ServedModel } from '../../http/served-model.ts';
import type { ReasoningDisplay } from '../../reply/text-display.ts';
import type { ChoiceLogprobs, LogprobEntry } from './response-schema.ts';

type TokenSource = Pick<ServedModel, 'tokenTable' | 'specialIds'>;

/**
 * One token's entry in OpenAI's shape. A token that is part of a character shows as U+FFFD; its bytes are exact.
 */
function toLogprobEntry(event: TokenEvent, source: TokenSource): LogprobEntry {
  return {
    ...describe(event.tokenId, event.logprob, source),
    top_logprobs: (event.topLogprobs ?? []).map(({ tokenId, logprob }) =>
      describe(tokenId, logprob, source),
    ),
  };
}

interface LogprobContext {
  readonly tokens: TokenSource;
  readonly display: ReasoningDisplay;
}

/** Tokens of hidden thinking are hidden too. */
export function showsLogprob({ section }: TokenEvent, display: ReasoningDisplay): boolean {
  if (section === 'answer') return true;
  return display === 'separate' || (display === 'inline' && section === 'reasoning');
}

/** The entries of some tokens, each in the list of the field that its text is in. */
export function toChoiceLogprobs(
  events: readonly TokenEvent[],
  { tokens, display }: LogprobContext,
): ChoiceLogprobs {
  const shown = events.filter((event) => showsLogprob(event, display));
  const isContent = ({ section }: TokenEvent): boolean =>
    section === 'answer' || display === 'inline';
  const entriesOf = (listed: readonly TokenEvent[]): LogprobEntry[] =>
    listed.map((event) => toLogprobEntry(event, tokens));
  return {
    content: entriesOf(shown.filter(isContent)),
    refusal: null,
    reasoning_content: entriesOf(shown.filter((event) => !isContent(event))),
  };
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
