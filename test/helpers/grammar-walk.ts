import { GrammarService } from '../../src/engine/constrained/grammar-service.ts';
import { type GrammarSpec, writeGrammar } from '../../src/engine/constrained/grammar-spec.ts';
import { allows } from '../../src/engine/sampling/token-mask.ts';
import type { TokenConstraint } from '../../src/engine/token-constraint.ts';
import type { Random } from './random.ts';

/** A vocabulary of the 256 bytes, some words, an end of the turn (300) and a control token (301). */
const WORDS = [
  '": ',
  '", "',
  '{"',
  '"}',
  '<tool_call>',
  '</tool_call>',
  '\n\n',
  ' the',
  'true',
  '12',
];
export const END = 300;
const SIZE = 320;

const encoder = new TextEncoder();
const pieces = Array.from({ length: SIZE }, (_, id) => {
  if (id < 256) return Uint8Array.of(id);
  const word = WORDS[id - 256];
  return word === undefined ? new Uint8Array(0) : encoder.encode(word);
});

/** First bytes after which the grammar engine would take sequences that are no UTF-8; models write none. */
const MAY_BREAK_UTF8 = new Set([0xc0, 0xc1, 0xe0, 0xed, 0xf0, ...range(0xf4, 0xff)]);

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

export function openService(): GrammarService {
  const offsets = new Uint32Array(SIZE + 1);
  pieces.forEach((piece, id) => {
    offsets[id + 1] = (offsets[id] ?? 0) + piece.length;
  });
  const bytes = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
  return new GrammarService({ tokenTable: { bytes, offsets }, silentIds: [END, 301], eos: [END] });
}

export function openSpec(service: GrammarService, spec: GrammarSpec): TokenConstraint {
  return service.open({ grammar: writeGrammar(spec), endTokens: [END] });
}

export async function maskOf(constraint: TokenConstraint): Promise<Int32Array> {
  await constraint.ready();
  if (constraint.mask === null) throw new Error('The mask is not known.');
  return constraint.mask;
}

/** Whether the constraint takes a text byte by byte, and lets the answer end there. */
export async function takes(constraint: TokenConstraint, text: string): Promise<boolean> {
  for (const byte of encoder.encode(text)) {
    if (!allows(await maskOf(constraint), byte)) return false;
    constraint.accept(byte);
  }
  return allows(await maskOf(constraint), END);
}

/**
 * Writes a text at random within the mask, ending it where that is allowed and luck will have it.
 * @returns the text, or null where it did not end within `maxTokens`
 */
export async function wander(
  constraint: TokenConstraint,
  random: Random,
  maxTokens: number,
): Promise<string | null> {
  const bytes: number[] = [];
  for (let step = 0; step < maxTokens; step++) {
    const mask = await maskOf(constraint);
    if (allows(mask, END) && random.next() < 0.5) {
      return new TextDecoder().decode(Uint8Array.from(bytes));
    }
    const allowed = pieces.flatMap((_, id) =>
      id !== END && !MAY_BREAK_UTF8.has(id) && allows(mask, id) ? [id] : [],
    );
    if (allowed.length === 0) return new TextDecoder().decode(Uint8Array.from(bytes));
    const id = choose(allowed, random);
    bytes.push(...(pieces[id] ?? []));
    constraint.accept(id);
  }
  return null;
}

/** What closes something comes more often, so that texts come to an end. */
function choose(allowed: readonly number[], random: Random): number {
  const closing = allowed.filter((id) => ['"', '}', ']', '"}'].includes(textOf(id)));
  const from = closing.length > 0 && random.next() < 0.4 ? closing : allowed;
  return from[Math.floor(random.next() * from.length)] ?? -1;
}

function textOf(id: number): string {
  return new TextDecoder().decode(pieces[id]);
}
