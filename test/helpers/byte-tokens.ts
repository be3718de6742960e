import type { ProtocolTokens } from '../../src/engine/thinking/protocol-tokens.ts';
import type { Protocol } from '../../src/package/protocol.ts';

/**
 * A vocabulary for tests: ids 0 to 255 are single bytes, so that any text can be written and any character cut
 * between tokens; the ids after them are tags, white space and control tokens, which write nothing.
 */
export const OPEN = 256;
export const CLOSE = 257;
export const BLANK_LINE = 258;
export const EOS = 259;
export const IMAGE = 260;
/** `end>` of a close tag whose beginning is written in bytes, with answer text behind it. */
export const CLOSE_TAIL = 261;
export const NEWLINE = 10;
export const VOCAB_SIZE = 320;

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

const SPECIAL: ReadonlyMap<number, Uint8Array> = new Map(
  [
    [OPEN, '<think>'],
    [CLOSE, '</think>'],
    [BLANK_LINE, '\n\n'],
    [CLOSE_TAIL, 'think>yes'],
  ].map(([id, text]) => [Number(id), encoder.encode(String(text))]),
);

/** Bytes of a token's text; none for control tokens. */
export function tokenBytes(id: number): Uint8Array {
  return id < 256 ? Uint8Array.of(id) : (SPECIAL.get(id) ?? NOTHING);
}

/** One token per byte. */
export function bytesOf(text: string): number[] {
  return [...encoder.encode(text)];
}

/** Token ids of a text: tags as their own tokens, the rest byte by byte. */
export function idsOf(text: string): number[] {
  return text.split(/(<think>|<\/think>)/).flatMap((part) => {
    if (part === '<think>') return [OPEN];
    return part === '</think>' ? [CLOSE] : bytesOf(part);
  });
}

export const PROTOCOL: Protocol = {
  name: 'test',
  tags: { open: '<think>', close: '</think>' },
  defaultMode: 'auto',
  modes: {
    auto: { prefill: '<think>' },
    think: { prefill: '<think>\n' },
    fast: { prefill: '<think>\n\n</think>' },
  },
  decide: { by: 'empty-block', probe: { think: ['\n'], fast: ['\n\n'] } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>' },
  evidence: 'seen',
};

/** Exit text as tokens: a line break and the close tag. */
export const EXIT: readonly number[] = [NEWLINE, CLOSE];

export const PROTOCOL_TOKENS: ProtocolTokens = {
  probe: { think: [[NEWLINE]], fast: [[BLANK_LINE]] },
  exit: EXIT,
  close: [CLOSE],
  extension: [],
  preambleExit: [],
  banFirst: {},
};
