import type { StartSection } from './decision.ts';
import { protocolStrings } from './protocol-grammar.ts';
import { type ParsedProtocol, SectionParser } from './section-parser.ts';
import type { Place } from './section-place.ts';

const STARTS: Readonly<Record<Place, StartSection>> = {
  outside: 'outside',
  judged: 'after-preamble',
  preamble: 'preamble',
  // What the prompt put into the block is filler, not the model's thinking: the block counts as empty.
  'block-start': 'block',
  reasoning: 'block',
  'answer-start': 'answer',
  'tagged-start': 'answer-tagged',
  tagged: 'answer-tagged',
  answer: 'answer-text',
  'after-tagged': 'answer-text',
};

/**
 * Where generation begins, from the text that chat template and prefill wrote after the conversation. Only that text
 * may be given: nothing a user typed.
 */
export function replaySuffix(protocol: ParsedProtocol, suffix: string): StartSection {
  const found = protocolStrings(protocol)
    .map((text) => suffix.indexOf(text))
    .filter((index) => index >= 0);
  // Before the first tag stands the turn's own head.
  if (found.length === 0) return 'outside';
  const parser = new SectionParser(protocol, 'outside');
  parser.push(suffix.slice(Math.min(...found)));
  return STARTS[parser.place];
}
