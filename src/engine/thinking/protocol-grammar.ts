import type { AnswerTags, DecidedMode, Protocol } from '../../package/protocol.ts';

/**
 * States in which the parser looks for a tag behind white space: before anything, after the preamble, in a block that
 * is still empty, after a block.
 */
export type TagState = 'outside' | 'after-preamble' | 'block-start' | 'answer-start';

/** States of the parser. The last three belong to an answer between tags of its own. */
export type ParserState =
  | TagState
  | 'preamble'
  | 'reasoning'
  | 'answer'
  | 'tagged-start'
  | 'tagged'
  | 'after-tagged';

/**
 * States in which a prompt can leave the text, as its own tags say. `answer` means that the prompt wrote the beginning
 * of the answer: no tag counts, and no line break is removed.
 */
export type StartState = Exclude<ParserState, 'reasoning' | 'tagged' | 'after-tagged'>;

/** A tag that may follow in a state, and the state that it leads to. */
export interface TagTransition {
  readonly tag: string;
  readonly to: TagState | 'preamble' | 'tagged-start';
  /** Mode that the tag announces. */
  readonly mode?: DecidedMode;
  /** Tag that closes the answer this one opens. */
  readonly answerClose?: string;
}

/** A protocol's strings, by the states in which they count. */
export interface ProtocolGrammar {
  readonly open: string;
  readonly close: string;
  readonly transitions: Readonly<Record<TagState, readonly TagTransition[]>>;
  readonly hasPreamble: boolean;
  /** A control string announces the mode. */
  readonly decidesByControl: boolean;
  readonly preambleClose: string;
  /** Words of the preamble that announce a mode. */
  readonly verdicts: readonly (readonly [words: string, mode: DecidedMode])[];
  /** Tags that are removed wherever they stand in the answer. */
  readonly inlineTags: readonly string[];
  /** Close tag of an answer whose open tag the prompt wrote. */
  readonly directAnswerClose: string;
}

/** The parts of a protocol that divide its text into sections. */
export type ParsedProtocol = Pick<Protocol, 'tags' | 'preamble' | 'decide' | 'answer'>;

/** Compiles a protocol for the parser. */
export function grammarOf(protocol: ParsedProtocol): ProtocolGrammar {
  const { tags, preamble, decide, answer } = protocol;
  const answers = [answer?.all, answer?.think, answer?.fast].filter((found) => found !== undefined);
  const bound = answers.filter(({ anywhere }) => anywhere !== true);
  const inline = answers.filter(({ anywhere }) => anywhere === true);
  const block = blockTransitions(tags);
  const closing: TagTransition = { tag: tags.close, to: 'answer-start' };
  const answering = bound.map(answerTransition);
  const before = distinct([...markerTransitions(protocol), ...block, closing, ...answering]);
  const opensPreamble: TagTransition[] =
    preamble === undefined ? [] : [{ tag: preamble.open, to: 'preamble' }];
  return {
    open: tags.open,
    close: tags.close,
    transitions: {
      outside: [...opensPreamble, ...before],
      'after-preamble': before,
      'block-start': [closing, { tag: tags.open, to: 'block-start' }],
      'answer-start': distinct([...block, closing, ...answering]),
    },
    hasPreamble: preamble !== undefined,
    decidesByControl: decide.by === 'control',
    preambleClose: preamble?.close ?? '',
    verdicts: decide.by === 'verdict' ? Object.entries(decide.verdicts) : [],
    inlineTags: inline.flatMap(({ open, close }) => [open, close]),
    directAnswerClose: (answer?.fast ?? answer?.all ?? answer?.think)?.close ?? '',
  };
}

/**
 * Every string of a protocol that a model may write. The parser must see their text even where the tokenizer marks the
 * tokens as special.
 */
export function protocolStrings({ tags, preamble, decide, answer }: ParsedProtocol): string[] {
  const answers = [answer?.all, answer?.think, answer?.fast];
  const pairs = [tags, preamble, ...answers].flatMap((pair) =>
    pair === undefined ? [] : [pair.open, pair.close],
  );
  const markers = decide.by === 'control' ? Object.keys(decide.markers) : [];
  return [...new Set([...pairs, ...markers, ...(tags.reopen === undefined ? [] : [tags.reopen])])];
}

function blockTransitions({ open, reopen }: Protocol['tags']): TagTransition[] {
  const again: TagTransition[] = reopen === undefined ? [] : [{ tag: reopen, to: 'block-start' }];
  return [{ tag: open, to: 'block-start' }, ...again];
}

function answerTransition({ open, close }: AnswerTags): TagTransition {
  return { tag: open, to: 'tagged-start', answerClose: close };
}

/** Control strings. One that is also the open tag of a block or of an answer opens it as well. */
function markerTransitions({ tags, decide, answer }: ParsedProtocol): TagTransition[] {
  if (decide.by !== 'control') return [];
  const answers = [answer?.fast, answer?.all];
  return Object.entries(decide.markers).map(([tag, mode]) => {
    if (tag === tags.open) return { tag, to: 'block-start', mode };
    if (mode === 'think') return { tag, to: 'after-preamble', mode };
    const opened = answers.find((found) => found?.open === tag);
    return opened === undefined
      ? { tag, to: 'answer-start', mode }
      : { ...answerTransition(opened), mode };
  });
}

/** The first transition of each tag. */
function distinct(all: readonly TagTransition[]): TagTransition[] {
  return all.filter(({ tag }, index) => all.findIndex((other) => other.tag === tag) === index);
}
