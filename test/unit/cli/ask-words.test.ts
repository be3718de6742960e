import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseWords } from '../../../src/cli/ask-command.ts';

test('one word is the question, two are image and question', () => {
  assert.deepEqual(parseWords(['Why?']), { question: 'Why?' });
  assert.deepEqual(parseWords(['a.png', 'Why?']), { picture: 'a.png', question: 'Why?' });
});

test('more words are an unquoted question', () => {
  assert.throws(() => parseWords(['a.png', 'Why', 'not?']), /got 3 arguments.*quotes/);
});
