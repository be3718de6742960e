import type { ImageSpan, TokenPrefix } from '../../../engine/token-prefix.ts';

/** Tokens of a block: prefixes are told apart to this many. */
export const BLOCK_TOKENS = 16;

/** Hashes of a prompt's whole blocks, each of all that stands before the block's end; uint32. */
export type PromptChain = Uint32Array;

/**
 * A prompt as the chain of its blocks, so that two prompts share as many blocks as their chains have equal hashes in
 * front (the block hashes of vLLM's prefix cache, vllm/v1/core/kv_cache_utils.py, in 32 bits). The placeholders of
 * different images are the same tokens, so an image's own hash goes into the block it begins in. Two prompts whose
 * hashes are equal by chance cost an engine's time, never a wrong token: engines look at the tokens themselves.
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

/** Number of tokens in the blocks that two chains have in common in front. */
export function sharedTokens(left: PromptChain, right: PromptChain): number {
  const most = Math.min(left.length, right.length);
  let shared = 0;
  while (shared < most && left[shared] === right[shared]) shared++;
  return shared * BLOCK_TOKENS;
}

/** An image as words: which one, and where. */
function wordsOf({ hash, start, numTokens }: ImageSpan): readonly number[] {
  return [start, numTokens, ...Array.from(hash, (letter) => letter.charCodeAt(0))];
}

/** One word more into a hash: murmur3's body (Austin Appleby). */
function mix(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51);
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593) ^ hash;
  mixed = (mixed << 13) | (mixed >>> 19);
  return (Math.imul(mixed, 5) + 0xe6546b64) >>> 0;
}
