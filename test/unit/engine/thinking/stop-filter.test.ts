import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findFirst, heldSuffixLength } from '../../../../src/engine/thinking/hold-back.ts';
import { StopMatcher } from '../../../../src/engine/thinking/stop-filter.ts';
import { repetitions } from '../../../helpers/corpus-sample.ts';
import { Random } from '../../../helpers/random.ts';

interface Result {
  readonly text: string;
  readonly stop: string | null;
}

/** Character by character: the first moment at which the text ends with a stop string; the longest of them. */
function reference(text: string, stops: readonly string[]): Result {
  for (let end = 1; end <= text.length; end++) {
    const seen = text.slice(0, end);
    const matching = stops.filter((stop) => seen.endsWith(stop));
    const stop = matching.sort((a, b) => b.length - a.length)[0];
    if (stop !== undefined) return { text: seen.slice(0, end - stop.length), stop };
  }
  return { text, stop: null };
}

function match(parts: readonly string[], stops: readonly string[]): Result {
  const matcher = new StopMatcher(stops);
  let text = '';
  for (const part of parts) {
    const result = matcher.push(part);
    text += result.text;
    if (result.stop !== null) return { text, stop: result.stop };
  }
  return { text: text + matcher.end(), stop: null };
}

function letters(random: Random, length: number): string {
  return Array.from({ length }, () => 'ab\n'[random.below(3)]).join('');
}

describe('heldSuffixLength', () => {
  it('is the longest suffix that may still become one of the strings', () => {
    assert.equal(heldSuffixLength('so </thi', ['</think>']), 5);
    assert.equal(heldSuffixLength('so </think>', ['</think>']), 0, 'a whole one is not held');
    assert.equal(heldSuffixLength('aab', ['aabaax', 'bc']), 3);
    assert.equal(heldSuffixLength('ab', ['b']), 0);
    assert.equal(heldSuffixLength('', ['b']), 0);
    assert.equal(heldSuffixLength('ab', []), 0);
  });

  it('equals trying every length', () => {
    const random = new Random(31);
    for (let round = 0; round < repetitions(5000, 1000); round++) {
      const text = letters(random, random.below(8));
      const needles = [letters(random, 1 + random.below(5)), letters(random, 1 + random.below(5))];
      const lengths = [...Array(text.length + 1).keys()].filter((length) =>
        needles.some((needle) => length < needle.length && text.endsWith(needle.slice(0, length))),
      );
      assert.equal(heldSuffixLength(text, needles), Math.max(...lengths));
    }
  });
});

describe('findFirst', () => {
  it('finds the string that is complete first, the longest of those that end together', () => {
    assert.deepEqual(findFirst('xabcx', ['abc', 'b']), { index: 2, needle: 'b' });
    assert.deepEqual(findFirst('xabx', ['b', 'ab']), { index: 1, needle: 'ab' });
    assert.deepEqual(findFirst('xabx', ['ab', 'b']), { index: 1, needle: 'ab' });
    assert.equal(findFirst('x', ['ab']), undefined);
    assert.equal(findFirst('x', []), undefined);
  });
});

describe('StopMatcher', () => {
  it('ends at the same place however the text is cut', () => {
    const random = new Random(32);
    for (let round = 0; round < repetitions(5000, 1000); round++) {
      const text = letters(random, random.below(20));
      const stops = Array.from({ length: random.below(4) }, () =>
        letters(random, 1 + random.below(4)),
      );
      const expected = reference(text, stops);
      const middle = random.below(text.length + 1);
      for (const parts of [[text], [...text], [text.slice(0, middle), text.slice(middle)]]) {
        assert.deepEqual(match(parts, stops), expected, JSON.stringify({ parts, stops }));
      }
    }
  });

  it('holds back only what may become a stop string', () => {
    const matcher = new StopMatcher(['\n\nUser:']);
    assert.deepEqual(matcher.push('One.\n'), { text: 'One.', stop: null });
    assert.deepEqual(matcher.push('Two.'), { text: '\nTwo.', stop: null });
    assert.deepEqual(matcher.push('\n\nUs'), { text: '', stop: null });
    assert.deepEqual(matcher.push('er: more'), { text: '', stop: '\n\nUser:' });
  });
});
