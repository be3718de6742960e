import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { sharedPrefixLength, type TokenPrefix } from '../../../../../src/engine/token-prefix.ts';
import {
  BLOCK_TOKENS,
  promptChain,
  sharedTokens,
} from '../../../../../src/server/engines/routing/prompt-chain.ts';

const PLACEHOLDER = 9;

/** Text, then images with text behind each; few different ones, so that prompts have much in common. */
const prompts: fc.Arbitrary<TokenPrefix> = fc
  .array(
    fc.oneof(
      fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 60 }),
      fc.record({ hash: fc.constantFrom('a', 'b'), numTokens: fc.integer({ min: 1, max: 40 }) }),
    ),
    { maxLength: 4 },
  )
  .map((parts) => {
    const tokenIds: number[] = [];
    const images = [];
    for (const part of parts) {
      if (Array.isArray(part)) tokenIds.push(...part);
      else {
        images.push({ ...part, start: tokenIds.length });
        for (let row = 0; row < part.numTokens; row++) tokenIds.push(PLACEHOLDER);
      }
    }
    return { tokenIds, images };
  });

/** A prompt and another that begins alike. */
const pairs = fc
  .tuple(prompts, prompts, fc.nat(100))
  .map(([one, other, kept]): readonly [TokenPrefix, TokenPrefix] => {
    const cut = Math.min(kept, one.tokenIds.length);
    const images = one.images.filter(({ start, numTokens }) => start + numTokens <= cut);
    const moved = other.images.map((span) => ({ ...span, start: span.start + cut }));
    const tokenIds = [...Array.from(one.tokenIds).slice(0, cut), ...Array.from(other.tokenIds)];
    return [one, { tokenIds, images: [...images, ...moved] }];
  });

it('finds the whole blocks that two prompts share, as the cache of the engine does', () => {
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const shared = sharedTokens(promptChain(one), promptChain(other));
      const wholeBlocks = Math.floor(sharedPrefixLength(one, other) / BLOCK_TOKENS);
      assert.equal(shared, wholeBlocks * BLOCK_TOKENS);
    }),
    { numRuns: 2_000 },
  );
});

it('distinguishes images with the same placeholders, from the block in which they begin', () => {
  const withImage = (hash: string): TokenPrefix => ({
    tokenIds: [...new Array<number>(20).fill(1), ...new Array<number>(44).fill(PLACEHOLDER)],
    images: [{ hash, start: 20, numTokens: 44 }],
  });
  const [one, other] = [promptChain(withImage('one')), promptChain(withImage('other'))];
  assert.equal(sharedTokens(one, promptChain(withImage('one'))), 64);
  assert.equal(sharedTokens(one, other), 16);
});

it('distinguishes equal blocks after different beginnings', () => {
  const after = (first: number): TokenPrefix => ({
    tokenIds: [first, ...new Array<number>(63).fill(5)],
    images: [],
  });
  const [one, other] = [promptChain(after(1)), promptChain(after(2))];
  assert.ok(one.every((hash, block) => hash !== other[block]));
});
