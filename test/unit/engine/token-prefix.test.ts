import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ImageSpan,
  sharedPrefixLength,
  type TokenPrefix,
} from '../../../src/engine/token-prefix.ts';

function prefix(tokenIds: readonly number[], images: readonly ImageSpan[] = []): TokenPrefix {
  return { tokenIds, images };
}

const cat = (start: number, numTokens = 3): ImageSpan => ({ hash: 'cat', start, numTokens });
const dog = (start: number, numTokens = 3): ImageSpan => ({ hash: 'dog', start, numTokens });

interface Case {
  readonly name: string;
  readonly left: TokenPrefix;
  readonly right: TokenPrefix;
  readonly shared: number;
}

const CASES: readonly Case[] = [
  { name: 'nothing with nothing', left: prefix([]), right: prefix([1]), shared: 0 },
  { name: 'another first token', left: prefix([2, 1]), right: prefix([1, 1]), shared: 0 },
  {
    name: 'tokens up to the first other one',
    left: prefix([1, 2, 3]),
    right: prefix([1, 2, 4]),
    shared: 2,
  },
  { name: 'all of the shorter one', left: prefix([1, 2]), right: prefix([1, 2, 3]), shared: 2 },
  {
    name: 'the same image and what follows it',
    left: prefix([1, 0, 0, 0, 5, 6], [cat(1)]),
    right: prefix([1, 0, 0, 0, 5, 7], [cat(1)]),
    shared: 5,
  },
  {
    name: 'nothing of another image in the same place',
    left: prefix([1, 0, 0, 0, 5], [cat(1)]),
    right: prefix([1, 0, 0, 0, 5], [dog(1)]),
    shared: 1,
  },
  {
    name: 'the first of two images, where the second is another',
    left: prefix([0, 0, 0, 4, 0, 0, 0], [cat(0), cat(4)]),
    right: prefix([0, 0, 0, 4, 0, 0, 0], [cat(0), dog(4)]),
    shared: 4,
  },
  {
    name: 'the same image as far as it was written',
    left: prefix([1, 0, 0], [cat(1)]),
    right: prefix([1, 0, 0, 0, 5], [cat(1)]),
    shared: 3,
  },
  {
    name: 'nothing of placeholders that are an image on one side only',
    left: prefix([1, 0, 0, 0, 5]),
    right: prefix([1, 0, 0, 0, 5], [cat(1)]),
    shared: 1,
  },
  {
    name: 'nothing of an image that begins elsewhere, though the placeholders agree',
    left: prefix([0, 0, 0, 0, 0, 0], [cat(0), dog(3)]),
    right: prefix([0, 0, 0, 0, 0, 0], [cat(0, 2), dog(2, 4)]),
    shared: 0,
  },
  {
    name: 'what comes before an image that only one has further on',
    left: prefix([1, 2, 3], [dog(3)]),
    right: prefix([1, 2, 3, 4]),
    shared: 3,
  },
];

describe('Two sequences share', () => {
  for (const { name, left, right, shared } of CASES) {
    it(name, () => {
      assert.equal(sharedPrefixLength(left, right), shared);
      assert.equal(sharedPrefixLength(right, left), shared);
    });
  }
});
