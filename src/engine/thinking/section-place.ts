import type { StartSection } from './decision.ts';
import type { Gate } from './protocol-grammar.ts';

/** Where the text stands: at a place where a tag may still come, or inside a section. */
export type Region = 'open' | 'preamble' | 'block' | 'answer';

/** Gates are the places where a tag is looked for behind white space; the others hold text. */
export type Place =
  | Gate
  | 'preamble'
  | 'reasoning'
  | 'answer'
  | 'tagged-start'
  | 'tagged'
  | 'after-tagged';

/** The region each place lies in. */
export const REGIONS: Readonly<Record<Place, Region>> = {
  outside: 'open',
  judged: 'open',
  'answer-start': 'open',
  preamble: 'preamble',
  'block-start': 'block',
  reasoning: 'block',
  answer: 'answer',
  'tagged-start': 'answer',
  tagged: 'answer',
  'after-tagged': 'answer',
};

/** The place each start of the text means. */
export const PLACES: Readonly<Record<StartSection, Place>> = {
  outside: 'outside',
  preamble: 'preamble',
  'after-preamble': 'judged',
  block: 'block-start',
  answer: 'answer-start',
  'answer-tagged': 'tagged-start',
  'answer-text': 'answer',
};
