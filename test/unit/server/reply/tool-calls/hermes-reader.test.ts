import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AnswerPart } from '../../../../../src/server/reply/tool-calls/answer-reader.ts';
import { HermesReader } from '../../../../../src/server/reply/tool-calls/hermes-reader.ts';
import { type JoinedParts, joinParts } from '../../../../../src/server/reply/whole-reply.ts';

const NAMES = new Set(['weather', 'time']);

function read(pieces: readonly string[]): { reply: JoinedParts; parts: AnswerPart[] } {
  let calls = 0;
  const reader = new HermesReader({ names: NAMES, newId: () => `id${calls++}` });
  const parts = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
  return { reply: joinParts(parts), parts };
}

/** What a text reads as, after checking that no way to cut it in two or to single characters changes that. */
function readAtEverySplit(text: string): JoinedParts {
  const { reply } = read([text]);
  for (let at = 0; at <= text.length; at++) {
    assert.deepEqual(read([text.slice(0, at), text.slice(at)]).reply, reply, `split at ${at}`);
  }
  assert.deepEqual(read(Array.from(text)).reply, reply, 'in single characters');
  return reply;
}

const call = (name: string, args: string): string =>
  `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`;

const NOTHING = { reasoning: '', content: '', toolCalls: [] };

test('a call is separated from the text before and after it', () => {
  const reply = readAtEverySplit(`Let me look.\n${call('weather', '{"city": "Bern"}')}\nThere.`);
  assert.deepEqual(reply, {
    reasoning: '',
    content: 'Let me look.\nThere.',
    toolCalls: [{ id: 'id0', name: 'weather', arguments: '{"city": "Bern"}' }],
  });
});

test('several calls follow each other, and white space between them is not content', () => {
  const text = `\n\n${call('weather', '{}')}\n${call('time', '{"zone":"UTC"}')}\n`;
  assert.deepEqual(readAtEverySplit(text), {
    ...NOTHING,
    toolCalls: [
      { id: 'id0', name: 'weather', arguments: '{}' },
      { id: 'id1', name: 'time', arguments: '{"zone":"UTC"}' },
    ],
  });
});

test('tags and braces within strings belong to the arguments', () => {
  const args = JSON.stringify({ city: '</tool_call> } " <tool_call> \\', list: [{ a: '[' }] });
  assert.deepEqual(readAtEverySplit(call('weather', args)).toolCalls, [
    { id: 'id0', name: 'weather', arguments: args },
  ]);
});

test('arguments are passed on as they arrive', () => {
  const { parts } = read([
    '<tool_call>{"name":"time","arguments":{"zo',
    'ne":',
    '"U"}',
    '}</tool_call>',
  ]);
  assert.deepEqual(parts, [
    { type: 'tool_call', index: 0, id: 'id0', name: 'time' },
    { type: 'tool_arguments', index: 0, text: '{"zo' },
    { type: 'tool_arguments', index: 0, text: 'ne":' },
    { type: 'tool_arguments', index: 0, text: '"U"}' },
  ]);
});

test('fields may be in another order, under another name or JSON in a string', () => {
  for (const [text, args] of [
    ['{"arguments": {"zone": 1}, "name": "time"}', '{"zone":1}'],
    ['{"name": "time", "parameters": {"zone": 1}}', '{"zone": 1}'],
    ['{"name": "time", "arguments": "{\\"zone\\": 1}"}', '{"zone": 1}'],
    ['{"name": "time"}', '{}'],
  ] as const) {
    const { toolCalls, content } = readAtEverySplit(`<tool_call>${text}</tool_call>`);
    assert.deepEqual(toolCalls, [{ id: 'id0', name: 'time', arguments: args }], text);
    assert.equal(content, '');
  }
});

test('a call without its close tag at the end of the turn is a call', () => {
  for (const text of [
    '<tool_call>{"name": "time", "arguments": {}}',
    '<tool_call>{"name": "time", "arguments": {}',
    '<tool_call>{"name": "time", "arguments": {}}\n</tool',
    '<tool_call>{"arguments": {}, "name": "time"}',
  ]) {
    const { toolCalls, content } = readAtEverySplit(text);
    assert.deepEqual(toolCalls, [{ id: 'id0', name: 'time', arguments: '{}' }], text);
    assert.equal(content, '', text);
  }
});

test('text that is not a call of a known tool stays content, complete', () => {
  for (const text of [
    '<tool_call>what is this</tool_call> indeed',
    call('unknown', '{"a": 1}'),
    '<tool_call>\n{"name": "time", "arguments": [1]}\n</tool_call>',
    '<tool_call>\n{"name": 5, "arguments": {}}\n</tool_call>',
    '<tool_call>{"name": "ti',
    '<tool_call>',
    'a < b, <tool, <tool_cal',
    '</tool_call>',
    ' \n',
  ]) {
    assert.deepEqual(readAtEverySplit(text), { ...NOTHING, content: text }, text);
  }
});

test('a good call after a bad one is a call', () => {
  const { content, toolCalls } = readAtEverySplit(`<tool_call>oh ${call('time', '{}')}`);
  assert.equal(content, '<tool_call>oh');
  assert.deepEqual(toolCalls, [{ id: 'id0', name: 'time', arguments: '{}' }]);
});

test('incomplete arguments keep what was written', () => {
  for (const [text, args] of [
    ['<tool_call>{"name": "time", "arguments": {"zone": "U', '{"zone": "U'],
    ['<tool_call>{"name": "time", "arguments": {"zone": </tool_call>', '{"zone": '],
  ] as const) {
    const { toolCalls, content } = readAtEverySplit(text);
    assert.deepEqual(toolCalls, [{ id: 'id0', name: 'time', arguments: args }]);
    assert.equal(content, '');
  }
});

test('text between the arguments and the close tag is not lost', () => {
  const text = '<tool_call>{"name": "time", "arguments": {}, "why": "because"}</tool_call>';
  const { toolCalls, content } = readAtEverySplit(text);
  assert.equal(toolCalls.length, 1);
  assert.equal(content, ', "why": "because"}</tool_call>');
});
