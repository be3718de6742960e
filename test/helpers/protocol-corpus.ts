import type { StartState } from '../../src/engine/thinking/protocol-grammar.ts';
import { protocolStrings } from '../../src/engine/thinking/protocol-grammar.ts';
import { replaySuffix } from '../../src/engine/thinking/replay-suffix.ts';
import type { DecidedMode, Protocol, ThinkingMode } from '../../src/package/protocol.ts';
import { bytesOf } from './byte-tokens.ts';
import type { Random } from './random.ts';

/** What a model writes in one way of one protocol, with what a reader must come to. */
export interface WrittenReply {
  readonly start: StartState;
  readonly text: string;
  /** What follows the exit text, where the thinking is closed for the model. */
  readonly afterExit: string;
  readonly preamble: string;
  readonly reasoning: string;
  readonly answer: string;
  /** Where the preamble ends in the text, and where the thinking's own tokens begin. */
  readonly preambleEnd: number;
  readonly thoughtStart: number;
}

export interface Wording {
  readonly preamble: string;
  readonly reasoning: string;
  readonly answer: string;
}

/** The text a model of this protocol writes when it thinks, or does not, after the prompt of a mode. */
export function writeReply(
  protocol: Protocol,
  mode: ThinkingMode,
  behaviour: DecidedMode,
  wording: Wording,
): WrittenReply {
  const suffix = `<|turn|>assistant\n${protocol.modes[mode]?.prefill ?? ''}`;
  const start = replaySuffix(protocol, suffix);
  const weighed = start === 'outside' && mode === 'auto' ? weigh(protocol, behaviour, wording) : '';
  const head = start === 'outside' ? signal(protocol, behaviour) : { text: '', tagged: false };
  const inBlock = start === 'block-start' || head.text.endsWith(protocol.tags.open);
  const thoughtStart = weighed.length + head.text.length;
  const block = behaviour === 'think' ? `\n${wording.reasoning}\n` : '\n\n';
  const closed = inBlock ? `${block}${protocol.tags.close}` : '';
  const tagged = start === 'tagged-start' || head.tagged;
  const answered = answerText(protocol, behaviour, wording.answer, tagged);
  // White space before an answer without any tag would be the answer's own.
  const isPlain = start === 'outside' && weighed + head.text === '';
  return {
    start,
    text: weighed + head.text + closed + (isPlain ? wording.answer : answered),
    afterExit: answerText(protocol, 'think', wording.answer, exitOpensAnswer(protocol)),
    preamble: weighed === '' ? '' : wording.preamble,
    reasoning: behaviour === 'think' ? wording.reasoning : '',
    answer: wording.answer,
    preambleEnd: weighed.length,
    thoughtStart,
  };
}

function weigh({ preamble, decide }: Protocol, behaviour: string, { preamble: words }: Wording) {
  if (preamble === undefined) return '';
  const verdicts = decide.by === 'verdict' ? Object.entries(decide.verdicts) : [];
  // The other verdict comes first, as something that is weighed and dismissed.
  const ordered = verdicts.sort(([, meaning]) => (meaning === behaviour ? 1 : -1));
  const spoken = ordered.map(([text]) => ` ${text}`).join(',');
  return `${preamble.open}${words}${spoken}${preamble.close}`;
}

/** What stands before the block, or before a direct answer, when the prompt left everything to the model. */
function signal(
  { tags, decide, answer }: Protocol,
  behaviour: DecidedMode,
): { text: string; tagged: boolean } {
  const markers = decide.by === 'control' ? Object.entries(decide.markers) : [];
  const marker = markers.find(([, meaning]) => meaning === behaviour)?.[0];
  if (behaviour === 'think') {
    return {
      text: marker === undefined || marker === tags.open ? tags.open : `${marker}\n${tags.open}`,
      tagged: false,
    };
  }
  if (marker !== undefined) {
    const opened = [answer?.fast, answer?.all].some((pair) => pair?.open === marker);
    return { text: marker, tagged: opened };
  }
  // Where nothing signals a direct answer, an empty block or none at all does.
  return { text: decide.by === 'empty-block' ? tags.open : '', tagged: false };
}

function answerText(
  { answer }: Protocol,
  behaviour: DecidedMode,
  words: string,
  isOpen: boolean,
): string {
  const pair = answer?.[behaviour] ?? answer?.all;
  if (pair === undefined) return `\n\n${words}`;
  if (pair.anywhere === true) return `\n${pair.open}${words}${pair.close}`;
  return isOpen ? `\n${words}\n${pair.close}` : `\n${pair.open}\n${words}\n${pair.close}`;
}

function exitOpensAnswer({ budget, answer }: Protocol): boolean {
  const pair = answer?.think ?? answer?.all;
  return pair !== undefined && budget.exit.trimEnd().endsWith(pair.open);
}

export type Split = 'whole' | 'bytes' | 'random';

/** Cuts a text into tokens of a vocabulary that grows as it is needed. Ids below 256 are single bytes. */
export class GrowingVocabulary {
  readonly #texts = new Map<string, number>();
  readonly #bytes = new Map<number, Uint8Array>();
  readonly #special: readonly string[];
  readonly #split: Split;
  readonly #random: Random;

  constructor(protocol: Protocol, split: Split, random: Random) {
    this.#special = protocolStrings(protocol).sort((a, b) => b.length - a.length);
    this.#split = split;
    this.#random = random;
  }

  /** Bigger than any id that is given out in a case. */
  readonly size = 1024;

  tokenBytes = (id: number): Uint8Array =>
    id < 256 ? Uint8Array.of(id) : (this.#bytes.get(id) ?? new Uint8Array(0));

  encode(text: string): number[] {
    if (this.#split === 'bytes') return bytesOf(text);
    if (this.#split === 'whole') return this.#withWholeTags(text);
    return this.#cutAtRandom(text);
  }

  #withWholeTags(text: string): number[] {
    const ids: number[] = [];
    for (let at = 0; at < text.length; ) {
      const tag = this.#special.find((special) => text.startsWith(special, at));
      const part = tag ?? String.fromCodePoint(text.codePointAt(at) ?? 0);
      ids.push(...(tag === undefined ? bytesOf(part) : [this.#idOf(bytesOf(part))]));
      at += part.length;
    }
    return ids;
  }

  /** Pieces of one to five bytes, wherever they fall: through tags, through characters. */
  #cutAtRandom(text: string): number[] {
    const bytes = bytesOf(text);
    const ids: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + this.#random.below(5);
      ids.push(this.#idOf(bytes.slice(at, at + length)));
      at += length;
    }
    return ids;
  }

  #idOf(bytes: readonly number[]): number {
    const [first] = bytes;
    if (bytes.length === 1 && first !== undefined) return first;
    const key = bytes.join();
    const known = this.#texts.get(key);
    if (known !== undefined) return known;
    const id = 300 + this.#texts.size;
    this.#texts.set(key, id);
    this.#bytes.set(id, Uint8Array.from(bytes));
    return id;
  }
}
