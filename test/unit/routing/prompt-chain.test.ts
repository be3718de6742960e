import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { sharedPrefixLength, type TokenPrefix } from '../../../src/engine/token-prefix.ts';
import { BLOCK_TOKENS, promptChain, sharedTokens } from '../../../src/routing/prompt-chain.ts';

const PLACEHOLDER = 9;

/** Text, then pictures with text behind each; few different ones, so that prompts have much in common. */
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
    const pictures = [];
    for (const part of parts) {
      if (Array.isArray(part)) tokenIds.push(...part);
      else {
        pictures.push({ ...part, start: tokenIds.length });
        for (let row = 0; row < part.numTokens; row++) tokenIds.push(PLACEHOLDER);
      }
    }
    return { tokenIds, pictures };
  });

/** A prompt and another that begins alike. */
const pairs = fc
  .tuple(prompts, prompts, fc.nat(100))
  .map(([one, other, kept]): readonly [TokenPrefix, TokenPrefix] => {
    const cut = Math.min(kept, one.tokenIds.length);
    const pictures = one.pictures.filter(({ start, numTokens }) => start + numTokens <= cut);
    const moved = other.pictures.map((span) => ({ ...span, start: span.start + cut }));
    const tokenIds = [...Array.from(one.tokenIds).slice(0, cut), ...Array.from(other.tokenIds)];
    return [one, { tokenIds, pictures: [...pictures, ...moved] }];
  });

it('finds what two prompts share, down to whole blocks, as the cache of the engine would', () => {
  fc.assert(
    fc.property(pairs, ([one, other]) => {
      const shared = sharedTokens(promptChain(one), promptChain(other));
      const wholeBlocks = Math.floor(sharedPrefixLength(one, other) / BLOCK_TOKENS);
      assert.equal(shared, wholeBlocks * BLOCK_TOKENS);
    }),
    { numRuns: 2_000 },
  );
});

it('tells pictures apart that have the same placeholders, from the block they begin in on', () => {
  const withPicture = (hash: string): TokenPrefix => ({
    tokenIds: [...new Array<number>(20).fill(1), ...new Array<number>(44).fill(PLACEHOLDER)],
    pictures: [{ hash, start: 20, numTokens: 44 }],
  });
  const [one, other] = [promptChain(withPicture('one')), promptChain(withPicture('other'))];
  assert.equal(sharedTokens(one, promptChain(withPicture('one'))), 64);
  assert.equal(sharedTokens(one, other), 16);
});

it('does not take a block for another at the same place of different beginnings', () => {
  const after = (first: number): TokenPrefix => ({
    tokenIds: [first, ...new Array<number>(63).fill(5)],
    pictures: [],
  });
  const [one, other] = [promptChain(after(1)), promptChain(after(2))];
  assert.ok(one.every((hash, block) => hash !== other[block]));
});
