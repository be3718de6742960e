import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Utf8Stream } from '../../../../src/engine/thinking/utf8-stream.ts';
import { Random } from '../../../helpers/random.ts';

const TEXT = 'a é ß 中文 한국어 👩‍🚀 \ufeff𝄞 z';

function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = random.below(4);
    parts.push(bytes.subarray(at, at + length));
    at += length;
  }
  return parts;
}

describe('Utf8Stream', () => {
  it('joins characters wherever they are split', () => {
    const random = new Random(41);
    const bytes = new TextEncoder().encode(TEXT);
    for (let round = 0; round < 500; round++) {
      const stream = new Utf8Stream();
      const text = cut(bytes, random).map((part) => stream.push(part));
      assert.equal(text.join('') + stream.end(), TEXT);
      for (const piece of text) assert.doesNotMatch(piece, /\ufffd/);
    }
  });

  it('knows whether a character has begun and not ended', () => {
    const stream = new Utf8Stream();
    for (const character of TEXT) {
      const bytes = new TextEncoder().encode(character);
      bytes.forEach((byte, i) => {
        stream.push(Uint8Array.of(byte));
        assert.equal(stream.insideCharacter, i < bytes.length - 1, character);
      });
    }
  });

  it('replaces invalid bytes like a decoder of the whole text, and continues', () => {
    const random = new Random(42);
    for (let round = 0; round < 2000; round++) {
      const bytes = Uint8Array.from({ length: random.below(12) }, () =>
        random.below(2) === 0 ? 0x80 + random.below(128) : random.below(256),
      );
      const stream = new Utf8Stream();
      const text = cut(bytes, random).map((part) => stream.push(part));
      const expected = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
      assert.equal(text.join('') + stream.end(), expected, String(bytes));
      assert.ok(!stream.insideCharacter);
    }
  });

  it('does not wait for the rest of a byte that begins no character', () => {
    for (const byte of [0x80, 0xbf, 0xc0, 0xc1, 0xf5, 0xff]) {
      const stream = new Utf8Stream();
      assert.equal(stream.push(Uint8Array.of(byte)), '\ufffd');
      assert.ok(!stream.insideCharacter, byte.toString(16));
    }
  });

  it('emits an unfinished character as U+FFFD at the end', () => {
    const stream = new Utf8Stream();
    assert.equal(stream.push(Uint8Array.of(0x61, 0xe4, 0xb8)), 'a');
    assert.equal(stream.end(), '\ufffd');
  });
});
