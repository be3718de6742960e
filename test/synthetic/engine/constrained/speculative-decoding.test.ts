import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { checkSchema } from '../../../../src/engine/constrained/check-schema.ts';
import { type GrammarSpec, writeGrammar } from '../../../../src/engine/constrained/grammar-spec.ts';
import type { GenerationRequest } from '../../../../src/engine/generation.ts';
import { openByteGrammars } from '../../../helpers/byte-grammars.ts';
import { bytesOf, EOS } from '../../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf } from '../../../helpers/engine-bench.ts';
import { Random } from '../../../helpers/random.ts';
import type { Script } from '../../../helpers/scripted-runner.ts';

const service = openByteGrammars();
after(() => service.close());

const PLACE = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1, maximum: 14 } },
  required: ['city', 'days'],
};
const LIST = {
  type: 'array',
  items: { type: 'object', properties: { aa: { enum: ['aa', 'ab'] } } },
};
const calls = (names: readonly string[], single: boolean): GrammarSpec => ({
  kind: 'calls',
  format: 'hermes',
  tools: names.map((name) => ({ name, schema: checkSchema(PLACE) })),
  otherwise: 'nothing',
  single,
});
const SPECS: readonly (readonly [string, GrammarSpec])[] = [
  ['calls that are required', calls(['weather', 'whether'], false)],
  ['a call of a named function', calls(['weather'], true)],
  ['a JSON schema', { kind: 'json', schema: checkSchema(LIST) }],
];

/** Writes what it once read as well as it can, which is not very well: the grammar has much to correct. */
function forgetful(seed: number): Script {
  const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome, Rome", "days": 4}}\n';
  const text = bytesOf(seed % 3 === 2 ? '[{"aa": "ab"}, {"aa": "ab"}, {"aa": "aa"}, ' : call);
  return (generated) => {
    const whim = new Random(seed * 1009 + generated.length);
    if (generated.length > 60 && whim.next() < 0.1) return EOS;
    const strays = whim.next() < 0.05;
    const at = strays ? whim.below(text.length) : generated.length % text.length;
    return { tokenId: text[at] ?? EOS, margin: 2 + 6 * whim.next() };
  };
}

async function run(parts: Partial<GenerationRequest>, seed: number, speculates: boolean) {
  const bench = new EngineBench({
    speculates,
    slotCapacity: 512,
    openConstraint: (request) => service.open(request),
  });
  const request = requestOf(promptOf(1, 12), parts);
  const { reason, detail } = await bench.submit({ request, script: forgetful(seed) });
  const { acceptedTokens } = bench.engine.counts().totals;
  const tokens = bench.tokens(request.id);
  return { wrote: { reason, detail, tokens }, acceptedTokens };
}

describe('Speculative decoding under a grammar writes what plain steps write', () => {
  for (const [what, spec] of SPECS) {
    it(`for ${what}, drawn and greedy, after thinking and without`, async () => {
      let numAccepted = 0;
      for (let seed = 0; seed < 24; seed++) {
        const { thinking, sampling } = requestOf([1]);
        const answers = { requested: 'fast', source: 'request', start: 'answer-start' } as const;
        const parts = {
          grammar: writeGrammar(spec),
          maxTokens: 180,
          topLogprobs: 1,
          minTokens: seed % 4 === 0 ? 50 : 0,
          sampling: { ...sampling, temperature: seed % 2, seed },
          thinking: seed % 3 === 0 ? { ...thinking, budget: 20 } : { ...thinking, ...answers },
        };
        const [plain, ahead] = [await run(parts, seed, false), await run(parts, seed, true)];
        assert.deepEqual(ahead.wrote, plain.wrote);
        assert.equal(ahead.wrote.detail, null);
        numAccepted += ahead.acceptedTokens;
      }
      assert.ok(numAccepted > 100, `${numAccepted} draft tokens accepted`);
    });
  }
});
