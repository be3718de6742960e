import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChatInputError } from '../../../../src/server/prompt/chat-input-error.ts';
import { applyHistoryRule } from '../../../../src/server/prompt/history.ts';
import type { ChatMessage } from '../../../../src/server/prompt/messages.ts';

const tags = { open: '<think>', close: '</think>' };
const DROP = { tags, history: { thinking: 'drop' } } as const;
const KEEP = { tags, history: { thinking: 'after-last-user' } } as const;
const QUESTION: ChatMessage = { role: 'user', content: '<think>mine</think> stays' };

function assistant(content: ChatMessage['content'], reasoning?: string): ChatMessage {
  return { role: 'assistant', content, reasoning };
}

describe('dropping thinking from the history', () => {
  it('drops everything through the close tag, with or without the open tag', () => {
    for (const raw of ['<think>\nwhy\n</think>\n\nyes', '\nwhy</think>yes', '<think></think>yes']) {
      assert.deepEqual(applyHistoryRule([assistant(raw)], DROP), [
        { role: 'assistant', content: 'yes' },
      ]);
    }
  });

  it('drops reasoning fields', () => {
    const [message] = applyHistoryRule([assistant('yes', 'why')], DROP);
    assert.deepEqual(message, { role: 'assistant', content: 'yes' });
  });

  it('drops a block that was never closed', () => {
    const [message] = applyHistoryRule([assistant('<think>cut off')], DROP);
    assert.deepEqual(message, { role: 'assistant', content: '' });
  });

  it('leaves answers without thinking and other roles as they are', () => {
    const messages = [QUESTION, assistant('  plain ')];
    assert.deepEqual(applyHistoryRule(messages, DROP), [
      QUESTION,
      { role: 'assistant', content: '  plain ' },
    ]);
  });

  it('joins the text parts of an assistant message', () => {
    const parts = [
      { type: 'text', text: 'why</think>a' },
      { type: 'text', text: 'b' },
    ] as const;
    assert.equal(applyHistoryRule([assistant(parts)], DROP)[0]?.content, 'ab');
  });

  it('refuses an image in an assistant message, naming its place', () => {
    const messages = [QUESTION, assistant([{ type: 'image', source: 'data:,' }])];
    assert.throws(
      () => applyHistoryRule(messages, DROP),
      (error: unknown) =>
        error instanceof ChatInputError && error.param === 'messages[1].content[0]',
    );
  });
});

describe('keeping thinking after the last user message', () => {
  it('takes it from the content or from the reasoning field', () => {
    const messages = [QUESTION, assistant('<think>\nwhy\n</think>\n\nyes'), assistant('no', 'how')];
    assert.deepEqual(applyHistoryRule(messages, KEEP).slice(1), [
      { role: 'assistant', content: 'yes', reasoning: 'why' },
      { role: 'assistant', content: 'no', reasoning: 'how' },
    ]);
  });

  it('drops that of earlier turns', () => {
    const messages = [assistant('<think>why</think>yes', 'why'), QUESTION];
    assert.deepEqual(applyHistoryRule(messages, KEEP)[0], { role: 'assistant', content: 'yes' });
  });

  it('hands on no empty reasoning', () => {
    const messages = [QUESTION, assistant('<think>\n\n</think>\n\nyes')];
    assert.deepEqual(applyHistoryRule(messages, KEEP)[1], { role: 'assistant', content: 'yes' });
  });
});
