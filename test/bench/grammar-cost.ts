/**
 * Cost of grammars with a large vocabulary: compilation, and a mask per token, through the thread that serves the engine.
 * `node dist/test/bench/grammar-cost.js TOKENIZER_JSON [VOCAB_SIZE]`
 */

import { checkSchema } from '../../src/engine/constrained/check-schema.ts';
import { GrammarService } from '../../src/engine/constrained/grammar-service.ts';
import { type GrammarSpec, writeGrammar } from '../../src/engine/constrained/grammar-spec.ts';
import { allows } from '../../src/engine/sampling/token-mask.ts';
import type { TokenConstraint } from '../../src/engine/token-constraint.ts';
import { loadTokenizer } from '../../src/server/prompt/tokenizer.ts';

const [path = '', size = '151936'] = process.argv.slice(2);
const tokenizer = await loadTokenizer(path);
const eos = tokenizer.encode('<|im_end|>');
const service = new GrammarService({
  tokenTable: tokenizer.tokenTable(Number(size)),
  silentIds: [...tokenizer.specialIds],
  eos,
});

const PERSON = checkSchema({
  type: 'object',
  properties: {
    name: { type: 'string' },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    tags: { type: 'array', items: { enum: ['red', 'green'] }, minItems: 1, maxItems: 5 },
    address: { type: 'object', properties: { street: { type: 'string' } }, required: ['street'] },
  },
  required: ['name', 'age', 'tags', 'address'],
});
const PERSON_TEXT =
  '{"name": "Ada \\"the first\\" Lovelace, Countess", "age": 36, "tags": ["red"], "address": {"street": "St James\'s Square 12"}}';
const tool = { name: 'weather', schema: PERSON };
const calls = (otherwise: 'text' | 'nothing'): GrammarSpec => ({
  kind: 'calls',
  format: 'hermes',
  tools: [tool],
  otherwise,
  single: false,
});
const CALL = `<tool_call>\n{"name": "weather", "arguments": ${PERSON_TEXT}}\n</tool_call>`;
const bounded = (maxLength: number): GrammarSpec => ({
  kind: 'json',
  schema: checkSchema({ type: 'string', maxLength }),
});

async function measure(name: string, spec: GrammarSpec, text: string): Promise<void> {
  const first = await timed(() => opened(spec));
  first.value.close();
  const again = await timed(() => opened(spec));
  const constraint = again.value;
  const spent: number[] = [];
  for (const id of tokenizer.encode(text)) {
    if (constraint.mask === null || !allows(constraint.mask, id)) throw new Error(`${name}: ${id}`);
    constraint.accept(id);
    spent.push((await timed(() => constraint.ready())).ms);
  }
  constraint.close();
  spent.sort((a, b) => a - b);
  const at = (share: number): string =>
    (spent[Math.floor(share * (spent.length - 1))] ?? 0).toFixed(2);
  console.log(
    `${name}: compile ${first.ms.toFixed(0)} ms, again ${again.ms.toFixed(1)} ms; ${spent.length} masks, ms each: median ${at(0.5)}, p90 ${at(0.9)}, most ${at(1)}`,
  );
}

async function opened(spec: GrammarSpec): Promise<TokenConstraint> {
  const constraint = service.open({ grammar: writeGrammar(spec), endTokens: eos });
  await constraint.ready();
  return constraint;
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const start = performance.now();
  const value = await work();
  return { value, ms: performance.now() - start };
}

const before = process.memoryUsage.rss();
await measure('start and any object', { kind: 'json', schema: { type: 'object' } }, '{"a": [1]}');
await measure('schema', { kind: 'json', schema: PERSON }, PERSON_TEXT);
await measure('required call', calls('nothing'), CALL);
await measure('text with calls', calls('text'), `Let me look that up for you.\n${CALL}`);
for (const length of [8, 32, 128]) {
  await measure(`string of ${length}`, bounded(length), '"hello"');
}
for (const [format, text] of [
  ['date-time', '"2026-11-21T06:00:00Z"'],
  ['email', '"ada@example.org"'],
  ['uri', '"https://example.org/a/b"'],
] as const) {
  const schema = checkSchema({ type: 'string', format });
  await measure(format, { kind: 'json', schema }, text);
}
console.log(`memory: ${((process.memoryUsage.rss() - before) / 1e6).toFixed(0)} MB more`);
await service.close();
