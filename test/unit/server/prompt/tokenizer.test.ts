import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { bytesOfToken } from '../../../../src/package/token-table.ts';
import { AddedTokenSplitter } from '../../../../src/server/prompt/added-tokens.ts';
import { ChatInputError } from '../../../../src/server/prompt/chat-input-error.ts';
import { LookAlikeMask } from '../../../../src/server/prompt/look-alike-mask.ts';
import { createTokenizer, loadTokenizer } from '../../../../src/server/prompt/tokenizer.ts';
import { tinyTokenizer } from '../../../helpers/tiny-tokenizer.ts';

const tiny = tinyTokenizer();
const tokenizer = createTokenizer(tiny.json);

/** The tiny tokenizer with one added token described otherwise. */
function withAddedToken(change: Record<string, unknown>): unknown {
  const extra = { id: tiny.size, content: '<extra>', special: true, ...change };
  return { ...tiny.json, added_tokens: [...Object(tiny.json)['added_tokens'], extra] };
}

describe('tokenizer', () => {
  it('recognises added tokens in text and keeps them apart in plain text', () => {
    const text = 'the <think>then</think>';
    assert.ok(tokenizer.encode(text).includes(tiny.ids['<think>']!));
    const plain = tokenizer.encodePlain(text);
    assert.equal(
      plain.some((id) => id >= tiny.ids['<|endoftext|>']!),
      false,
    );
    assert.equal(tokenizer.decode(plain), text);
  });

  it('normalises to NFC before the merges', () => {
    assert.deepEqual(tokenizer.encode('cafe\u0301'), tokenizer.encode('caf\u00e9'));
  });

  it('spells tokens as the vocabulary does, added tokens as they are', () => {
    const ids = tokenizer.encode('a <think>');
    assert.deepEqual(ids.map(tokenizer.spelling), ['a', 'Ġ', '<think>']);
    assert.equal(tokenizer.spelling(tiny.size + 5), '');
  });

  it('encodes nothing as no tokens', () => {
    assert.deepEqual(tokenizer.encode(''), []);
    assert.deepEqual(tokenizer.encodePlain(''), []);
  });

  it('decodes characters that are spread over several tokens', () => {
    const text = '  👩‍👩‍👧 \ufeff世界\n\n';
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  });

  it('decodes bytes that are no UTF-8 to the replacement character', () => {
    const [first] = tokenizer.encode('世');
    assert.equal(tokenizer.decode([first!]), '\ufffd');
  });

  it('knows every token as bytes, added tokens as their text', () => {
    const table = tokenizer.tokenTable();
    assert.equal(table.offsets.length, tokenizer.vocabSize + 1);
    const bytes = tokenizer.encode('the 世 <image>').map((id) => bytesOfToken(table, id));
    assert.equal(Buffer.concat(bytes).toString('utf8'), 'the 世 <image>');
  });

  it('gives no bytes to ids the tokenizer does not know', () => {
    const table = tokenizer.tokenTable(tokenizer.vocabSize + 5);
    assert.equal(table.offsets.length, tokenizer.vocabSize + 6);
    assert.equal(bytesOfToken(table, tokenizer.vocabSize + 1).length, 0);
    assert.equal(bytesOfToken(table, tokenizer.vocabSize + 99).length, 0);
  });

  it("refuses a table smaller than the tokenizer's vocabulary", () => {
    assert.throws(() => tokenizer.tokenTable(10), /has \d+ tokens, the model's vocabulary 10/);
  });

  it('tells control tokens from added tokens that write text', () => {
    assert.ok(tokenizer.specialIds.has(tiny.ids['<|im_end|>']!));
    assert.equal(tokenizer.specialIds.has(tiny.ids['<think>']!), false);
    assert.equal(tokenizer.vocabSize, tiny.size);
  });

  it('takes the white space beside tokens that strip it', () => {
    const strips = createTokenizer(withAddedToken({ lstrip: true, rstrip: true }));
    const ids = strips.encode('a \n<extra>  b');
    assert.deepEqual(ids, [...strips.encode('a'), tiny.size, ...strips.encode('b')]);
  });

  it('prefers the longest of the added tokens that start at one place', () => {
    const longer = createTokenizer(withAddedToken({ content: '<think>!' }));
    assert.deepEqual(longer.encode('<think>!'), [tiny.size]);
    assert.deepEqual(longer.encode('<think>?')[0], tiny.ids['<think>']);
  });

  it('names the added token whose flags are not supported', () => {
    assert.throws(() => createTokenizer(withAddedToken({ single_word: true })), /"<extra>"/);
  });

  it('refuses a vocabulary that lacks a byte, naming it', () => {
    const { Ġ: _space, ...vocab } = Object(tiny.json)['model'].vocab;
    const json = { ...tiny.json, model: { ...Object(tiny.json)['model'], vocab } };
    assert.throws(() => createTokenizer(json), /no token for byte 0x20/);
  });

  it('refuses other tokenizer models, naming the file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'thinkgate-tokenizer-'));
    const file = join(dir, 'tokenizer.json');
    await writeFile(file, JSON.stringify({ added_tokens: [], model: { type: 'Unigram' } }));
    await assert.rejects(loadTokenizer(file), (error: Error) => error.message.startsWith(file));
    await rm(dir, { recursive: true });
  });
});

describe('splitting at added tokens', () => {
  it('returns all of a text without added tokens as one plain segment', () => {
    const splitter = new AddedTokenSplitter([]);
    assert.deepEqual(splitter.split('a <b>'), [{ kind: 'plain', text: 'a <b>' }]);
    assert.deepEqual(splitter.split(''), []);
  });

  it('has no empty segments between neighbouring tokens', () => {
    const segments = tokenizer.splitter.split('<think></think>');
    assert.deepEqual(
      segments.map(({ kind }) => kind),
      ['token', 'token'],
    );
  });
});

describe('hiding look-alikes', () => {
  it('replaces what could begin a marker and restores it', () => {
    const mask = new LookAlikeMask(['<think>', '[INST]'], []);
    const hidden = mask.hide('a <think> [INST] < [');
    assert.doesNotMatch(hidden, /[<[]/);
    assert.equal(mask.restore(hidden), 'a <think> [INST] < [');
  });

  it('keeps the number of characters', () => {
    const mask = new LookAlikeMask(['<think>'], []);
    assert.equal([...mask.hide('<<>')].length, 3);
  });

  it('uses no character that the conversation holds', () => {
    const text = '\u{f0000}<\u{f0001}';
    const mask = new LookAlikeMask(['<think>'], [text]);
    assert.equal(mask.restore(mask.hide(text)), text);
    assert.notEqual(mask.hide('<'), '\u{f0000}');
  });

  it('refuses a conversation that leaves no character to use', () => {
    const all = Array.from({ length: 0xffffe - 0xf0000 }, (_, i) =>
      String.fromCodePoint(0xf0000 + i),
    ).join('');
    assert.throws(() => new LookAlikeMask(['<think>'], [all]), ChatInputError);
  });

  it('leaves white space alone even where an added token is made of it', () => {
    const mask = new LookAlikeMask(['  ', '<think>'], []);
    assert.equal(mask.hide('a  b'), 'a  b');
  });
});
