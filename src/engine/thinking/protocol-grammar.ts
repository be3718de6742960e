import type { AnswerTags, Protocol } from '../../package/protocol.ts';

export type Verdict = 'think' | 'fast';

/** Places where a tag may stand, behind white space: before anything, after the preamble, in a block without a word
 * yet, right after a block. */
export type Gate = 'outside' | 'judged' | 'block-start' | 'answer-start';

/** One tag that may stand at a gate, and what it leads to. */
export interface Way {
  readonly tag: string;
  readonly to: Gate | 'preamble' | 'tagged-start';
  readonly signal?: Verdict;
  /** Tag that closes the answer this one opens. */
  readonly answerClose?: string;
}

/** A protocol's strings by the places where they count. */
export interface Grammar {
  readonly open: string;
  readonly close: string;
  readonly ways: Readonly<Record<Gate, readonly Way[]>>;
  readonly hasPreamble: boolean;
  readonly preambleClose: string;
  readonly verdicts: readonly (readonly [words: string, meaning: Verdict])[];
  /** Tags that are taken out wherever they stand in the answer. */
  readonly inlineTags: readonly string[];
  /** What closes an answer whose open tag the prompt wrote. */
  readonly directAnswerClose: string;
}

type Parsed = Pick<Protocol, 'tags' | 'preamble' | 'decide' | 'answer'>;

export function grammarOf(protocol: Parsed): Grammar {
  const { tags, preamble, decide, answer } = protocol;
  const answers = [answer?.all, answer?.think, answer?.fast].filter((found) => found !== undefined);
  const bound = answers.filter(({ anywhere }) => anywhere !== true);
  const inline = answers.filter(({ anywhere }) => anywhere === true);
  const block = blockWays(tags);
  const closing: Way = { tag: tags.close, to: 'answer-start' };
  const answering = bound.map(answerWay);
  const before = distinct([...markerWays(protocol), ...block, closing, ...answering]);
  const weighing: Way[] = preamble === undefined ? [] : [{ tag: preamble.open, to: 'preamble' }];
  return {
    open: tags.open,
    close: tags.close,
    ways: {
      outside: [...weighing, ...before],
      judged: before,
      'block-start': [closing, { tag: tags.open, to: 'block-start' }],
      'answer-start': distinct([...block, closing, ...answering]),
    },
    hasPreamble: preamble !== undefined,
    preambleClose: preamble?.close ?? '',
    verdicts: decide.by === 'verdict' ? Object.entries(decide.verdicts) : [],
    inlineTags: inline.flatMap(({ open, close }) => [open, close]),
    directAnswerClose: (answer?.fast ?? answer?.all ?? answer?.think)?.close ?? '',
  };
}

/** Every string of a protocol that a model may write and that must be seen, however the tokenizer marks its tokens. */
export function protocolStrings({ tags, preamble, decide, answer }: Parsed): string[] {
  const answers = [answer?.all, answer?.think, answer?.fast];
  const pairs = [tags, preamble, ...answers].flatMap((pair) =>
    pair === undefined ? [] : [pair.open, pair.close],
  );
  const markers = decide.by === 'control' ? Object.keys(decide.markers) : [];
  return [...new Set([...pairs, ...markers, ...(tags.reopen === undefined ? [] : [tags.reopen])])];
}

function blockWays({ open, reopen }: Protocol['tags']): Way[] {
  const again: Way[] = reopen === undefined ? [] : [{ tag: reopen, to: 'block-start' }];
  return [{ tag: open, to: 'block-start' }, ...again];
}

function answerWay({ open, close }: AnswerTags): Way {
  return { tag: open, to: 'tagged-start', answerClose: close };
}

/** Control strings; one that is the open tag of the block, or of an answer, opens that as well. */
function markerWays({ tags, decide, answer }: Parsed): Way[] {
  if (decide.by !== 'control') return [];
  const answers = [answer?.fast, answer?.all];
  return Object.entries(decide.markers).map(([tag, signal]) => {
    if (tag === tags.open) return { tag, to: 'block-start', signal };
    if (signal === 'think') return { tag, to: 'judged', signal };
    const opened = answers.find((found) => found?.open === tag);
    return opened === undefined
      ? { tag, to: 'answer-start', signal }
      : { ...answerWay(opened), signal };
  });
}

/** The first way of each tag. */
function distinct(ways: readonly Way[]): Way[] {
  return ways.filter(({ tag }, index) => ways.findIndex((way) => way.tag === tag) === index);
}
