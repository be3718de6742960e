import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { checkSchema } from '../../../../src/engine/constrained/check-schema.ts';
import type { GrammarSpec } from '../../../../src/engine/constrained/grammar-spec.ts';
import { allows } from '../../../../src/engine/sampling/token-mask.ts';
import {
  END,
  maskOf,
  openService,
  openSpec,
  takes,
  wander,
} from '../../../helpers/grammar-walk.ts';
import { Random } from '../../../helpers/random.ts';

const service = openService();
after(() => service.close());

const json = (schema: object): GrammarSpec => ({ kind: 'json', schema: checkSchema(schema) });

async function isTaken(spec: GrammarSpec, text: string): Promise<boolean> {
  const constraint = openSpec(service, spec);
  try {
    return await takes(constraint, text);
  } finally {
    constraint.close();
  }
}

const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    tags: { type: 'array', items: { enum: ['a', 'b'] }, minItems: 1, maxItems: 2 },
  },
  required: ['name', 'tags'],
};

describe('a JSON schema', () => {
  for (const [text, good] of [
    ['{"name": "Jörg", "age": 41, "tags": ["a"]}', true],
    ['{"name": "", "tags": ["a", "b"]}', true],
    ['{"name": "x", "tags": []}', false],
    ['{"name": "x", "tags": ["c"]}', false],
    ['{"name": "x", "age": 151, "tags": ["a"]}', false],
    ['{"name": "x"}', false],
    ['{"name": "x", "tags": ["a"], "more": 1}', false],
    ['{"name": "x",  "tags": ["a"]}', false],
    ['{"name": "x", "tags": ["a"]', false],
  ] as const) {
    it(`${good ? 'takes' : 'refuses'} ${text}`, async () => {
      assert.equal(await isTaken(json(PERSON), text), good);
    });
  }

  it('of type object alone allows any object and nothing else', async () => {
    const any: GrammarSpec = { kind: 'json', schema: { type: 'object' } };
    assert.ok(await isTaken(any, '{}'));
    assert.ok(await isTaken(any, '{"a": [1, -2.5e3, {"b": null}, "\\u00e4\\n", true]}'));
    assert.equal(await isTaken(any, '[1]'), false);
    assert.equal(await isTaken(any, ' {}'), false);
  });
});

/** One schema or more per keyword that is honoured. */
const SCHEMAS: readonly object[] = [
  PERSON,
  {},
  { type: ['string', 'null'] },
  { type: ['integer', 'boolean'], minimum: -3 },
  { enum: ['a/b', 'ü"', 1.5, null, { a: [1] }, true] },
  { const: 'only' },
  { type: 'string', enum: ['x', 'y'] },
  { type: 'string', minLength: 2, maxLength: 4 },
  { type: 'string', maxLength: 3 },
  { type: 'string', minLength: 3 },
  { type: 'string', pattern: '^[a-c]{2,3}-\\d+$' },
  { type: 'string', pattern: '^(?:ab|cd)?x$' },
  { type: 'string', pattern: '^.{1,3}[^a-y0-9]\\D\\W\\S\\s$' },
  { type: 'string', pattern: '^a.*', format: 'starts_with' },
  { type: 'string', pattern: '^[à-ü€x]{2}é$' },
  { type: 'array', prefixItems: [{ type: 'null' }, { const: 'x' }], items: false, minItems: 2 },
  { type: 'object', properties: { a: { const: 1 } }, additionalProperties: true },
  { type: 'string', format: 'date' },
  { type: 'string', format: 'time' },
  { type: 'string', format: 'date-time' },
  { type: 'string', format: 'uuid' },
  { type: 'string', format: 'ipv4' },
  { type: 'integer' },
  { type: 'integer', minimum: -12, maximum: 345 },
  { type: 'integer', exclusiveMinimum: 5 },
  { type: 'integer', exclusiveMaximum: -7 },
  { type: 'integer', minimum: 7, maximum: 7 },
  { type: 'number' },
  { type: 'number', minimum: 0, maximum: 1 },
  { type: 'number', minimum: -3, exclusiveMaximum: 12 },
  { type: 'number', exclusiveMinimum: 0 },
  { type: 'number', maximum: -5 },
  { type: ['number', 'null'], minimum: 2, maximum: 2 },
  { type: 'object', propertyNames: { type: 'string' }, additionalProperties: { type: 'null' } },
  {
    oneOf: [
      { type: 'object', properties: { k: { const: 'a' }, x: {} }, required: ['k'] },
      { type: 'object', properties: { k: { enum: ['b', 'c'] } }, required: ['k'] },
    ],
  },
  { type: 'array', items: { type: 'boolean' }, minItems: 2, maxItems: 4 },
  { type: 'array', maxItems: 2, items: { type: 'integer' } },
  { type: 'array', minItems: 1 },
  { type: 'object', additionalProperties: { type: 'integer' } },
  { type: 'object', properties: {}, additionalProperties: false },
  { properties: { a: {}, b: { type: 'null' } }, required: ['b'] },
  { type: 'object', properties: { 'a"b': { type: 'null' }, ü: { const: 1 } }, required: ['ü'] },
  { anyOf: [{ type: 'integer' }, { type: 'object', properties: { k: { const: 1 } } }] },
  { oneOf: [{ type: 'integer' }, { type: 'string', maxLength: 2 }] },
  { allOf: [{ type: 'boolean' }], title: 'T' },
  {
    $defs: {
      node: {
        type: 'object',
        properties: {
          v: { type: 'integer' },
          next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
        },
        required: ['v', 'next'],
      },
    },
    $ref: '#/$defs/node',
  },
  {
    type: 'object',
    properties: { list: { type: 'array', items: { $ref: '#' }, maxItems: 2 } },
  },
];

describe('tokens that a mask allows', () => {
  for (const schema of SCHEMAS) {
    it(`is valid by ${JSON.stringify(schema).slice(0, 100)}`, async () => {
      const validate = new Ajv2020({
        strict: false,
        validateFormats: true,
        formats: FORMATS,
      }).compile(schema);
      const random = new Random(7);
      let ended = 0;
      for (let round = 0; round < 12; round++) {
        const constraint = openSpec(service, json(schema));
        const text = await wander(constraint, random, 150);
        constraint.close();
        if (text === null) continue;
        ended++;
        assert.ok(validate(JSON.parse(text)), `${text} ${JSON.stringify(validate.errors)}`);
      }
      assert.ok(ended > 0, 'no text came to an end');
    });
  }
});

const FORMATS = {
  date: (text: string) =>
    !Number.isNaN(Date.parse(`${text}T00:00:00Z`)) || /-(29|30|31)$/.test(text),
  time: /^\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  ipv4: /^(\d{1,3}\.){3}\d{1,3}$/,
};

const TOOLS = [
  {
    name: 'weather',
    schema: checkSchema({ properties: { city: { type: 'string' } }, required: ['city'] }),
  },
  { name: 'time', schema: { type: 'object' } },
];
const calls = (otherwise: 'nothing' | 'text' | object, single = false): GrammarSpec => ({
  kind: 'calls',
  format: 'hermes',
  tools: TOOLS,
  otherwise: typeof otherwise === 'string' ? otherwise : checkSchema(otherwise),
  single,
});
const WEATHER = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';
const TIME = '<tool_call>\n{"name": "time", "arguments": {"a": [1]}}\n</tool_call>';
const BAD = '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>';

describe('calls', () => {
  for (const [spec, text, good] of [
    [calls('nothing'), WEATHER, true],
    [calls('nothing'), `${WEATHER}\n${TIME}`, true],
    [calls('nothing', true), `${WEATHER}\n${TIME}`, false],
    [calls('nothing', true), TIME, true],
    [calls('nothing'), BAD, false],
    [calls('nothing'), '', false],
    [calls('nothing'), 'Hello', false],
    [calls('text'), 'Hello there', true],
    [calls('text'), `Let me look. ${WEATHER} So.`, true],
    [calls('text'), `x ${WEATHER}${TIME}`, true],
    [calls('text', true), `x ${WEATHER}`, true],
    [calls('text', true), `x ${WEATHER}${TIME}`, false],
    [calls('text'), BAD, false],
    [calls({ type: 'object', properties: { a: { const: 1 } }, required: ['a'] }), '{"a": 1}', true],
    [calls({ type: 'object' }), WEATHER, true],
    [calls({ type: 'object' }), 'Hello', false],
  ] as const) {
    const name = spec.kind === 'calls' ? `${JSON.stringify(spec.otherwise)} ${spec.single}` : '';
    it(`${good ? 'allow' : 'rule out'} ${JSON.stringify(text).slice(0, 60)} (${name})`, async () => {
      assert.equal(await isTaken(spec, text), good);
    });
  }
});

describe('a constraint', () => {
  it('starts over after a reset', async () => {
    const constraint = openSpec(service, json({ type: 'integer' }));
    const first = await maskOf(constraint);
    constraint.accept('-'.charCodeAt(0));
    constraint.accept('1'.charCodeAt(0));
    assert.notDeepEqual(await maskOf(constraint), first);
    constraint.reset();
    assert.deepEqual(await maskOf(constraint), first);
    constraint.close();
  });

  it('never allows tokens without text, and allows the end only where the text is complete', async () => {
    const constraint = openSpec(service, json({ const: 12 }));
    assert.equal(allows(await maskOf(constraint), END), false);
    constraint.accept('1'.charCodeAt(0));
    constraint.accept('2'.charCodeAt(0));
    const mask = await maskOf(constraint);
    assert.equal(allows(mask, END), true);
    assert.equal(allows(mask, 301), false);
    constraint.close();
  });

  it('throws from its mask after a token that breaks it', async () => {
    const constraint = openSpec(service, json({ const: 12 }));
    await constraint.ready();
    constraint.accept('x'.charCodeAt(0));
    await constraint.ready();
    assert.throws(() => constraint.mask, /does not allow token 120/);
    constraint.close();
  });

  it('fails alone where its grammar is invalid', async () => {
    const bad = service.open({
      grammar: '{"kind":"json","schema":{"$ref":"nowhere"}}',
      endTokens: [],
    });
    const good = openSpec(service, json({ const: 1 }));
    await bad.ready();
    assert.throws(() => bad.mask);
    assert.ok(await takes(good, '1'));
    bad.close();
    good.close();
  });
});

it('a thread that ends fails its constraints, and the next request starts a new thread', async () => {
  const own = openService();
  const lost = openSpec(own, json({ const: 1 }));
  await lost.ready();
  await own.close();
  assert.throws(() => lost.mask, /thread ended/);
  const next = openSpec(own, json({ const: 1 }));
  assert.ok(await takes(next, '1'));
  await own.close();
});
