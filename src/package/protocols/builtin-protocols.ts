/** Thinking protocols that the converter can write into a package, by name. */
import type { Protocol } from '../protocol.ts';
import { BLOCK_PROTOCOLS } from './block-protocols.ts';
import { MARKER_PROTOCOLS } from './marker-protocols.ts';
import { PROMPT_PROTOCOLS } from './prompt-protocols.ts';

export const BUILTIN_PROTOCOLS: Readonly<Record<string, Protocol>> = Object.fromEntries(
  [...BLOCK_PROTOCOLS, ...MARKER_PROTOCOLS, ...PROMPT_PROTOCOLS].map((row) => [row.name, row]),
);
