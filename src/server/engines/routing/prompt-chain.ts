import type { ImageSpan, TokenPrefix } from '../../../engine/token-prefix.ts';

/** Tokens of a block, the unit in which prefixes are compared. */
export const BLOCK_TOKENS = 16;

/** One uint32 hash for each whole block of a prompt. A hash covers everything up to the end of its block. */
export type PromptChain = Uint32Array;

/**
 * Hashes a prompt block by block. Two prompts share as many blocks as their chains share leading hashes (the block hashes
 * of vLLM's prefix cache, vllm/v1/core/kv_cache_utils.py, in 32 bits). The placeholders of all images are the same
 * tokens, so the hash of an image goes into the block in which it begins. A collision costs time, never a wrong token:
 * engines compare the tokens themselves.
 */
export function promptChain({ tokenIds, images }: TokenPrefix): PromptChain {
  const chain = new Uint32Array(Math.floor(tokenIds.length / BLOCK_TOKENS));
  let hash = 0;
  let image = 0;
  for (let block = 0; block < chain.length; block++) {
    const end = (block + 1) * BLOCK_TOKENS;
    for (let at = block * BLOCK_TOKENS; at < end; at++) hash = mix(hash, tokenIds[at] ?? 0);
    for (let span = images[image]; span && span.start < end; span = images[++image]) {
      for (const word of wordsOf(span)) hash = mix(hash, word);
    }
    chain[block] = hash;
  }
  return chain;
}

/** Number of tokens in the leading blocks that two chains share. */
export function sharedTokens(left: PromptChain, right: PromptChain): number {
  const most = Math.min(left.length, right.length);
  let shared = 0;
  while (shared < most && left[shared] === right[shared]) shared++;
  return shared * BLOCK_TOKENS;
}

/** The identity and position of an image as words. */
function wordsOf({ hash, start, numTokens }: ImageSpan): readonly number[] {
  return [start, numTokens, ...Array.from(hash, (letter) => letter.charCodeAt(0))];
}

/** Mixes one word into a hash: the body of murmur3 (Austin Appleby). */
function mix(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51);
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593) ^ hash;
  mixed = (mixed << 13) | (mixed >>> 19);
  return (Math.imul(mixed, 5) + 0xe6546b64) >>> 0;
}
