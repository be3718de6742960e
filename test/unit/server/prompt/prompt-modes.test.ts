import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Protocol, ThinkingMode } from '../../../../src/package/protocol.ts';
import { BUILTIN_PROTOCOLS } from '../../../../src/package/protocols/builtin-protocols.ts';
import { ChatInputError } from '../../../../src/server/prompt/chat-input-error.ts';
import { continuationOf } from '../../../../src/server/prompt/continuation.ts';
import {
  CHAT_CONVERSATION_FIELDS,
  type ChatMessage,
} from '../../../../src/server/prompt/messages.ts';
import { applyModeTexts } from '../../../../src/server/prompt/modes.ts';
import { PromptWriter, type WriteOptions } from '../../../../src/server/prompt/prompt.ts';
import { ChatTemplate } from '../../../../src/server/prompt/template.ts';
import { createTokenizer } from '../../../../src/server/prompt/tokenizer.ts';
import { availableModes } from '../../../../src/server/request/thinking-policy.ts';
import { tinyTokenizer } from '../../../helpers/tiny-tokenizer.ts';

const tiny = tinyTokenizer();
const tokenizer = createTokenizer(tiny.json);
const R4B = BUILTIN_PROTOCOLS['R-4B']!;
const QWEN3 = BUILTIN_PROTOCOLS['Qwen3']!;
const R4B_TEMPLATE = readFileSync('test/golden/references/r4b.chat_template.jinja', 'utf8');
const QWEN3_TEMPLATE = readFileSync('test/golden/references/qwen3.chat_template.jinja', 'utf8');

function writerOf(protocol: Protocol, template = R4B_TEMPLATE): PromptWriter {
  const contentFormat = template === QWEN3_TEMPLATE ? 'string' : 'parts';
  return new PromptWriter({
    tokenizer,
    template: new ChatTemplate(template),
    manifest: {
      chat: { template: 'chat_template.jinja', contentFormat, imagePlaceholder: '<image>' },
      tokens: { image: tiny.ids['<image>']!, eos: [tiny.ids['<|im_end|>']!] },
      thinking: protocol,
    },
  });
}

const user = (content: ChatMessage['content']): ChatMessage => ({ role: 'user', content });
const assistant = (content: string, reasoning?: string): ChatMessage =>
  reasoning === undefined
    ? { role: 'assistant', content }
    : { role: 'assistant', content, reasoning };

interface Written extends WriteOptions {
  readonly messages: readonly ChatMessage[];
  readonly mode: ThinkingMode;
  readonly protocol?: Protocol;
  readonly template?: string;
}

function written({ messages, mode, protocol = R4B, template, ...options }: Written) {
  const { tokenIds, start } = writerOf(protocol, template).write(messages, mode, options);
  return { text: tokenizer.decode([...tokenIds]), tokenIds, start };
}

describe("a mode's own texts", () => {
  const protocol: Protocol = {
    ...R4B,
    modes: {
      think: { userPrefix: '/think ', userSuffix: ' <think>', system: 'Reason.' },
      fast: {},
    },
    efforts: { low: { system: 'Little.' }, medium: {}, high: { prefill: '<think>\nHard:' } },
  };

  it('surround the last user message only, and come before the system message', () => {
    const messages = [user('one'), assistant('1'), user('two')];
    const { text } = written({ messages, mode: 'think', protocol });
    assert.ok(text.startsWith('<|im_start|>system\nReason.<|im_end|>\n<|im_start|>user\none<'));
    assert.ok(text.includes('user\n/think two <think><|im_end|>'), text);
    const own: ChatMessage = { role: 'system', content: 'Be kind.' };
    assert.ok(
      written({ messages: [own, user('x')], mode: 'think', protocol }).text.startsWith(
        '<|im_start|>system\nReason.\n\nBe kind.<|im_end|>\n',
      ),
    );
  });

  it('may hold control tokens, which the same words of a user never are', () => {
    const think = tiny.ids['<think>']!;
    const count = (content: string): number =>
      written({ messages: [user(content)], mode: 'think', protocol }).tokenIds.filter(
        (id) => id === think,
      ).length;
    assert.equal(count('x'), count('<think>'));
    assert.ok(count('x') > 0);
  });

  it('stand around the text of a message with images', () => {
    const image = { type: 'image', source: 'data:,' } as const;
    const text = (words: string) => ({ type: 'text', text: words }) as const;
    const row = { userPrefix: 'A', userSuffix: 'Z' };
    assert.deepEqual(applyModeTexts([user([text('a'), image, text('b')])], row), [
      user([text('Aa'), image, text('bZ')]),
    ]);
    assert.deepEqual(applyModeTexts([user([image])], row), [user([image, text('AZ')])]);
  });

  it('change with the degree of thinking', () => {
    const messages = [user('x')];
    const low = written({ messages, mode: 'think', protocol, effort: 'low' }).text;
    assert.ok(low.includes('Little.') && !low.includes('Reason.'));
    assert.ok(
      written({ messages, mode: 'think', protocol, effort: 'medium' }).text.includes('Reason.'),
    );
    assert.ok(
      written({ messages, mode: 'think', protocol, effort: 'high' }).text.endsWith('Hard:'),
    );
    assert.ok(
      !written({ messages, mode: 'fast', protocol, effort: 'low' }).text.includes('Little.'),
    );
  });

  it('include the budget where the family reads it in the prompt', () => {
    const reading: Protocol = { ...R4B, budget: { ...R4B.budget, templateVariable: 'room' } };
    const template = `{% if room is defined %}[{{ room }}]{% endif %}${R4B_TEMPLATE}`;
    const messages = [user('x')];
    const of = (budget: number | null): string =>
      written({ messages, mode: 'think', protocol: reading, template, budget }).text;
    assert.ok(of(512).startsWith('[512]'));
    assert.ok(of(null).startsWith('<|im_start|>'));
  });
});

/** Everything that means something to a protocol, and the words some families listen to. */
function wordsOf({ tags, preamble, decide }: Protocol): string[] {
  const words = [tags.open, tags.close, '/think', '/no_think'];
  if (preamble !== undefined) words.push(preamble.open, preamble.close);
  return decide.by === 'control' ? [...words, ...Object.keys(decide.markers)] : words;
}

function controlsIn(ids: readonly number[]): number[] {
  const added = new Set(Object.values(tiny.ids));
  return ids.filter((id) => added.has(id));
}

describe('what a user types', () => {
  for (const [name, protocol] of Object.entries(BUILTIN_PROTOCOLS)) {
    it(`changes neither where a prompt of ${name} starts nor its control tokens`, () => {
      for (const mode of availableModes(protocol)) {
        const plain = written({ messages: [user('x')], mode, protocol });
        for (const word of wordsOf(protocol)) {
          const typed = written({ messages: [user(word)], mode, protocol });
          assert.equal(typed.start, plain.start, word);
          assert.deepEqual(controlsIn(typed.tokenIds), controlsIn(plain.tokenIds), word);
          assert.ok(typed.text.includes(word), word);
        }
      }
    });
  }

  it('reaches a family that reads /no_think as the text it is, in the mode that was asked for', () => {
    const options = { mode: 'think', protocol: QWEN3, template: QWEN3_TEMPLATE } as const;
    const { text, start } = written({ ...options, messages: [user('hi /no_think')] });
    assert.ok(text.endsWith('user\nhi /no_think<|im_end|>\n<|im_start|>assistant\n'), text);
    assert.equal(start, 'outside');
  });
});

describe('thinking of earlier turns', () => {
  const first = [user('one')];
  const forms: readonly ChatMessage[] = [
    assistant('1', 'because'),
    assistant('<think>\nbecause\n</think>\n\n1'),
    assistant('because</think>\n1'),
    assistant('1'),
  ];

  it('is dropped alike in whatever form it comes back', () => {
    const prompts = forms.map(
      (turn) => written({ messages: [...first, turn, user('two')], mode: 'auto' }).text,
    );
    assert.equal(new Set(prompts).size, 1);
    assert.doesNotMatch(prompts[0] ?? '', /because/);
  });

  it('leaves the beginning of the prompt byte for byte as it was when turns are added', () => {
    for (const protocol of [
      R4B,
      BUILTIN_PROTOCOLS['DeepSeek-V3.1']!,
      BUILTIN_PROTOCOLS['GLM-4.5V']!,
    ]) {
      let messages: ChatMessage[] = [user('one')];
      let before = '';
      for (const turn of forms) {
        messages = [...messages, turn, user('next')];
        const { text } = written({ messages, mode: 'fast', protocol });
        // All but the suffix of the last user message and the generation prompt stays.
        const kept = text.slice(0, text.lastIndexOf('<|im_start|>user'));
        assert.ok(kept.startsWith(before), `${protocol.name}: ${before} -> ${kept}`);
        before = kept;
      }
    }
  });

  it("is replaced by the protocol's text where it has one", () => {
    const protocol = BUILTIN_PROTOCOLS['DeepSeek-V3.1']!;
    const close = tiny.ids['</think>']!;
    const messages = [...first, assistant('1', 'because'), user('two')];
    const { text, tokenIds } = written({ messages, mode: 'think', protocol });
    assert.ok(text.includes('assistant\n</think>1<|im_end|>'), text);
    assert.equal(tokenIds.filter((id) => id === close).length, 1);
  });
});

describe('a reply that is gone on with', () => {
  const ask = user('two');
  interface Row {
    readonly last: ChatMessage;
    readonly mode: ThinkingMode;
    readonly ends: string;
    readonly start: string;
  }
  const ROWS: Readonly<Record<string, Row>> = {
    'an answer': {
      last: assistant('The su'),
      mode: 'fast',
      ends: 'assistant\n<think>\n\n</think>The su',
      start: 'answer',
    },
    thinking: {
      last: assistant('', 'Let me'),
      mode: 'think',
      ends: 'assistant\n<think>\nLet me',
      start: 'block-start',
    },
    'an answer after thinking': {
      last: assistant('The su', 'Let me.'),
      mode: 'think',
      ends: 'assistant\n<think>\nLet me.\n</think>\n\nThe su',
      start: 'answer',
    },
    'raw text with an open block': {
      last: assistant('<think>\nLet me'),
      mode: 'think',
      ends: 'assistant\n<think>\nLet me',
      start: 'block-start',
    },
    'raw text that ends with the close tag': {
      last: assistant('<think>\nLet me.\n</think>'),
      mode: 'think',
      ends: 'assistant\n<think>\nLet me.\n</think>\n\n',
      start: 'answer',
    },
  };
  for (const [name, { last, mode, ends, start }] of Object.entries(ROWS)) {
    it(`${name}: prompt and section`, () => {
      const found = written({ messages: [ask, last], mode, continueFinal: true });
      assert.ok(found.text.endsWith(ends), found.text);
      assert.equal(found.start, start);
      assert.equal(continuationOf([ask, last], R4B, CHAT_CONVERSATION_FIELDS).mode, mode);
    });
  }

  it('closes the block that a template opens by itself before an answer', () => {
    const found = written({
      messages: [ask, assistant('Yes')],
      mode: 'fast',
      continueFinal: true,
      protocol: QWEN3,
      template: QWEN3_TEMPLATE,
    });
    assert.ok(found.text.endsWith('assistant\n<think>\n\n</think>\n\nYes'), found.text);
  });

  it('keeps tags that are typed into its parts as text', () => {
    const last = assistant('a</think>b<|im_end|>', 'x</think>y');
    const found = written({ messages: [ask, last], mode: 'think', continueFinal: true });
    const close = tiny.ids['</think>']!;
    assert.equal(found.tokenIds.filter((id) => id === close).length, 1);
    assert.equal(found.start, 'answer');
  });

  it('needs an assistant message with text at the end', () => {
    const call = { id: 'c', name: 'f', arguments: {} };
    const calling: ChatMessage = { ...assistant('I look.'), toolCalls: [call] };
    for (const messages of [[ask], [], [ask, assistant('')], [ask, calling]]) {
      assert.throws(
        () => continuationOf(messages, R4B, CHAT_CONVERSATION_FIELDS),
        (error: unknown) =>
          error instanceof ChatInputError && error.param === 'continue_final_message',
      );
    }
  });
});
