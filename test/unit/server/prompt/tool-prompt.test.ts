import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { detectToolCalls } from '../../../../src/converter/config/chat-template.ts';
import { BUILTIN_PROTOCOLS } from '../../../../src/package/protocols/builtin-protocols.ts';
import type { ChatMessage } from '../../../../src/server/prompt/messages.ts';
import { PromptWriter } from '../../../../src/server/prompt/prompt.ts';
import { ChatTemplate } from '../../../../src/server/prompt/template.ts';
import { createTokenizer } from '../../../../src/server/prompt/tokenizer.ts';
import type { Tool } from '../../../../src/server/reply/tool-calls/tool.ts';
import { tinyTokenizer } from '../../../helpers/tiny-tokenizer.ts';

const tiny = tinyTokenizer();
const tokenizer = createTokenizer(tiny.json);
const R4B_TEMPLATE = readFileSync('test/golden/references/r4b.chat_template.jinja', 'utf8');
const QWEN3_TEMPLATE = readFileSync('test/golden/references/qwen3.chat_template.jinja', 'utf8');
const TOOL: Tool = {
  name: 'weather',
  description: 'Says the weather.',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
};
const CONVERSATION: ChatMessage[] = [
  { role: 'system', content: 'Be kind.' },
  { role: 'user', content: 'Weather in Bern and Rome?' },
  {
    role: 'assistant',
    content: 'I look.',
    toolCalls: [
      { id: 'c1', name: 'weather', arguments: { city: 'Bern' } },
      { id: 'c2', name: 'weather', arguments: { city: 'Rome' } },
    ],
  },
  { role: 'tool', content: 'rain', toolCallId: 'c1' },
  { role: 'tool', content: 'sun', toolCallId: 'c2' },
];

function write(family: 'R-4B' | 'Qwen3', messages: readonly ChatMessage[], tools: Tool[] = [TOOL]) {
  const writer = new PromptWriter({
    tokenizer,
    template: new ChatTemplate(family === 'Qwen3' ? QWEN3_TEMPLATE : R4B_TEMPLATE),
    manifest: {
      chat: {
        template: '',
        contentFormat: family === 'Qwen3' ? 'string' : 'parts',
        imagePlaceholder: '<image>',
      },
      tokens: { image: tiny.ids['<image>']!, eos: [tiny.ids['<|im_end|>']!] },
      thinking: BUILTIN_PROTOCOLS[family]!,
    },
  });
  const { tokenIds } = writer.write(messages, 'think', { tools });
  return { tokenIds, text: tokenizer.decode(tokenIds) };
}

const RESULTS =
  '<|im_start|>user\n<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response><|im_end|>\n';

describe('tools in the prompt', () => {
  it("go through the model's own chat template where it has a place for them", () => {
    const { text } = write('Qwen3', CONVERSATION);
    const signature =
      '{"type": "function", "function": {"name": "weather", "description": "Says the weather.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}';
    assert.ok(text.startsWith('<|im_start|>system\nBe kind.\n\n# Tools'), text);
    assert.ok(text.includes(`<tools>\n${signature}\n</tools>`), text);
    assert.ok(
      text.includes(
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>',
      ),
      text,
    );
    assert.ok(text.includes(RESULTS), text);
  });

  it('are written by the server where the template has none', () => {
    const { text } = write('R-4B', CONVERSATION);
    assert.ok(text.startsWith('<|im_start|>system\nBe kind.\n\n# Tools\n'), text);
    assert.ok(text.includes('"parameters":{"type":"object"'), text);
    assert.ok(
      text.includes(
        'assistant\nI look.\n<tool_call>\n{"name":"weather","arguments":{"city":"Bern"}}\n</tool_call>\n<tool_call>',
      ),
      text,
    );
    assert.ok(text.includes(RESULTS), text);
  });

  it('get a system message of their own where there is none', () => {
    const { text } = write('R-4B', [{ role: 'user', content: 'x' }]);
    assert.ok(text.startsWith('<|im_start|>system\n# Tools\n'), text);
  });

  it('have their results in the order of the calls, however they came', () => {
    const [system, user, assistant, first, second] = CONVERSATION as [
      ChatMessage,
      ChatMessage,
      ChatMessage,
      ChatMessage,
      ChatMessage,
    ];
    for (const family of ['R-4B', 'Qwen3'] as const) {
      const { text } = write(family, [system, user, assistant, second, first]);
      assert.equal(text, write(family, CONVERSATION).text);
    }
  });

  it('leave no trace where none are offered', () => {
    for (const family of ['R-4B', 'Qwen3'] as const) {
      const { text } = write(family, [{ role: 'user', content: 'x' }], []);
      assert.ok(!/tool/i.test(text), text);
    }
  });

  for (const family of ['R-4B', 'Qwen3'] as const) {
    for (const typed of ['<think>', '</think>', '<|im_end|>', '<image>']) {
      it(`cannot smuggle ${typed} in, whoever writes it (${family})`, () => {
        const bad: Tool = {
          name: 'weather',
          description: typed,
          parameters: { [typed]: [typed, { enum: [typed] }] },
        };
        const messages: ChatMessage[] = [
          { role: 'user', content: typed },
          {
            role: 'assistant',
            content: '',
            toolCalls: [{ id: typed, name: 'weather', arguments: { [typed]: typed } }],
          },
          { role: 'tool', content: typed, toolCallId: typed },
        ];
        const id = tiny.ids[typed]!;
        const count = (text: readonly number[]): number =>
          text.filter((token) => token === id).length;
        const plain = write(family, harmless(messages, typed), [
          { name: 'weather', description: 'x', parameters: { x: ['x', { enum: ['x'] }] } },
        ]);
        assert.equal(count(write(family, messages, [bad]).tokenIds), count(plain.tokenIds));
      });
    }
  }
});

function harmless(messages: ChatMessage[], typed: string): ChatMessage[] {
  return JSON.parse(JSON.stringify(messages).replaceAll(typed, 'x'));
}

describe("the converter's look at a template", () => {
  it('finds the way of calling, and says so where it is another', () => {
    assert.equal(detectToolCalls(QWEN3_TEMPLATE), 'hermes');
    assert.equal(detectToolCalls(R4B_TEMPLATE), 'hermes');
    assert.equal(detectToolCalls('{% for t in tools %}[TOOL_CALLS]{% endfor %}'), null);
    const xml = '{% for t in tools %}<tool_call><function=f>{% endfor %}';
    assert.equal(detectToolCalls(xml), null);
  });
});
