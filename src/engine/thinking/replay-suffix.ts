import {
  grammarOf,
  type ParsedProtocol,
  type ParserState,
  protocolStrings,
  type StartState,
} from './protocol-grammar.ts';
import { SectionParser } from './section-parser.ts';

/**
 * State in which the prompt leaves the text, from the text that chat template and prefill wrote after the conversation.
 * Pass only that text, never text that a user typed.
 */
export function replaySuffix(protocol: ParsedProtocol, suffix: string): StartState {
  const found = protocolStrings(protocol)
    .map((text) => suffix.indexOf(text))
    .filter((index) => index >= 0);
  // Text before the first tag is the header of the turn.
  if (found.length === 0) return 'outside';
  const parser = new SectionParser(grammarOf(protocol), 'outside');
  parser.push(suffix.slice(Math.min(...found)));
  return startAt(parser.state);
}

function startAt(state: ParserState): StartState {
  switch (state) {
    // Text of the prompt in the block is filler, not thinking of the model: the block counts as empty.
    case 'reasoning':
      return 'block-start';
    case 'tagged':
      return 'tagged-start';
    case 'after-tagged':
      return 'answer';
    default:
      return state;
  }
}
