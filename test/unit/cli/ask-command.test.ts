import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyValue, parseWords } from '../../../src/cli/ask-command.ts';

describe('The words of `thinkgate ask`', () => {
  it('are the question, or the image and the question', () => {
    assert.deepEqual(parseWords(['Why?']), { question: 'Why?' });
    assert.deepEqual(parseWords(['a.png', 'Why?']), { image: 'a.png', question: 'Why?' });
  });

  it('are rejected when there are more of them: a question without quotes', () => {
    assert.throws(() => parseWords(['a.png', 'Why', 'not?']), /got 3 arguments.*quotes/);
  });
});

describe('The API key of `thinkgate ask`', () => {
  it('is the value of the first key that the server would take from the same variable', () => {
    for (const keys of ['secret', 'me:secret', 'me:secret scope=api,you:other', 'secret, other']) {
      assert.equal(keyValue(keys), 'secret');
    }
  });
});
