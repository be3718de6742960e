import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { checkSchema } from '../../../../src/engine/constrained/check-schema.ts';
import { writeGrammar } from '../../../../src/engine/constrained/grammar-spec.ts';
import type { GenerationRequest } from '../../../../src/engine/generation.ts';
import { openByteGrammars } from '../../../helpers/byte-grammars.ts';
import { bytesOf, EOS, tokenBytes } from '../../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf } from '../../../helpers/engine-bench.ts';

const service = openByteGrammars();
after(() => service.close());

const TEXT = '{"a": {"b": 1}, "c": 2}';
const number = { type: 'integer', minimum: 0, maximum: 9 };
const SCHEMA = {
  type: 'object',
  properties: {
    a: { type: 'object', properties: { b: number }, required: ['b'] },
    c: number,
  },
  required: ['a', 'c'],
};
const [BRACE, BANG, CONTROL] = [bytesOf('}'), bytesOf('!'), [300]].flat();

/** Writes the text, and ends. */
async function run(parts: Partial<GenerationRequest>) {
  const bench = new EngineBench({
    slotCapacity: 128,
    openConstraint: (request) => service.open(request),
  });
  const request = requestOf(promptOf(1, 12), {
    grammar: writeGrammar({ kind: 'json', schema: checkSchema(SCHEMA) }),
    maxTokens: 64,
    thinking: {
      ...requestOf([1]).thinking,
      requested: 'fast',
      source: 'request',
      start: 'answer-start',
    },
    ...parts,
  });
  const text = bytesOf(TEXT);
  const script = (generated: readonly number[]): number => text[generated.length] ?? EOS;
  const finish = await bench.submit({ request, script });
  const wrote = Buffer.concat(bench.tokens(request.id).map(({ tokenId }) => tokenBytes(tokenId)));
  return { finish, wrote: wrote.toString() };
}

describe('An answer under a grammar', () => {
  it('ends with a stop token that the grammar knows as text, where that comes first', async () => {
    const { finish, wrote } = await run({ stopTokenIds: [BRACE ?? 0] });
    assert.deepEqual([finish.reason, finish.detail], ['stop', null]);
    assert.equal(wrote, TEXT.slice(0, TEXT.indexOf('}') + 1));
  });

  it('continues to its end where a stop token cannot come', async () => {
    const { finish, wrote } = await run({ stopTokenIds: [BANG ?? 0] });
    assert.deepEqual([finish.reason, finish.detail, wrote], ['stop', null, TEXT]);
  });

  it('may end with a control token in place of the end of the turn', async () => {
    const { finish, wrote } = await run({ stopTokenIds: [CONTROL ?? 0] });
    assert.deepEqual([finish.reason, finish.detail, wrote], ['stop', null, TEXT]);
  });

  it('ends when it is complete, though minTokens asks for more', async () => {
    const { finish, wrote } = await run({ minTokens: 40 });
    assert.deepEqual([finish.reason, finish.detail, wrote], ['stop', null, TEXT]);
  });

  it('may contain a stop token that the grammar requires before minTokens', async () => {
    const { finish, wrote } = await run({ minTokens: 40, stopTokenIds: [BRACE ?? 0] });
    assert.deepEqual([finish.reason, finish.detail], ['stop', null]);
    assert.ok(TEXT.startsWith(wrote), wrote);
  });
});
