import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkSchema } from '../../../../src/engine/constrained/check-schema.ts';
import { integerRange } from '../../../../src/engine/constrained/number-ranges.ts';
import { SchemaError } from '../../../../src/engine/constrained/schema-walk.ts';
import { Random } from '../../../helpers/random.ts';

const deep = (levels: number): object =>
  levels === 0 ? {} : { type: 'array', items: deep(levels - 1) };

/** Schemas that are refused, the place named, and words of the reason. */
const REFUSED: readonly (readonly [object, string, RegExp])[] = [
  [{ not: { type: 'null' } }, 'not', /without `type`/],
  [{ type: 'object', patternProperties: {} }, 'patternProperties', /cannot be enforced/],
  [{ type: 'object', properties: { a: {} }, minProperties: 1 }, 'minProperties', /cannot be/],
  [{ type: 'object', required: ['a'] }, 'required', /"a", which is not among `properties`/],
  [
    { properties: { a: {} }, additionalProperties: { type: 'null' } },
    'additionalProperties',
    /beside `properties`, but for true/,
  ],
  [{ properties: { a: { type: 'number', minimum: 0.5 } } }, 'properties.a.minimum', /whole number/],
  [{ type: 'number', exclusiveMinimum: 3, maximum: 3 }, '', /leaves no number/],
  [{ type: 'object', propertyNames: { pattern: 'a' } }, 'propertyNames.pattern', /cannot be/],
  [{ type: 'integer', multipleOf: 2 }, 'multipleOf', /beside `type`/],
  [{ type: 'integer', minimum: 0.5 }, 'minimum', /whole number to be enforced; got 0\.5/],
  [{ type: 'integer', minimum: 5, maximum: 4 }, '', /from 5 to 4/],
  [{ type: 'array', uniqueItems: true }, 'uniqueItems', /cannot be/],
  [{ type: 'array', prefixItems: [] }, 'prefixItems', /something in it/],
  [{ type: 'array', prefixItems: [{}], items: {} }, 'items', /must be false/],
  [{ type: 'array', prefixItems: [{}], minItems: 2 }, 'prefixItems', /has 1 places/],
  [{ type: 'array', minItems: 3, maxItems: 2 }, 'minItems', /more than `maxItems`, 2/],
  [{ type: 'array', maxItems: 5000 }, 'maxItems', /at most 1000/],
  [{ type: 'string', maxLength: 129 }, 'maxLength', /is 129; at most 128/],
  [{ type: 'string', minLength: -1 }, 'minLength', /from 0 on; got -1/],
  [{ type: 'string', format: 'ipv9' }, 'format', /date, time.*got "ipv9"/],
  [{ type: 'string', format: 'date', maxLength: 3 }, 'maxLength', /beside `type`/],
  [{ type: 'string', pattern: '(?=a)b' }, 'pattern', /look-around/],
  [{ type: 'string', pattern: '[ -z]' }, 'pattern', /the range {2}-z/],
  [{ type: 'string', pattern: '[^é]' }, 'pattern', /beyond ASCII/],
  [{ type: 'string', pattern: '[一-龥]' }, 'pattern', /beyond ASCII/],
  [{ type: 'string', pattern: '\\bx' }, 'pattern', /"\\b"/],
  [{ type: 'string', pattern: 'a"' }, 'pattern', /a quote/],
  [{ type: 'string', pattern: 'a{100}' }, 'pattern', /64 repetitions/],
  [{ type: 'string', pattern: '(' }, 'pattern', /no regular expression/],
  [{ type: 'thing' }, 'type', /object, array, .*; got "thing"/],
  [{ type: [] }, 'type', /names no type/],
  [{ type: ['string', 'null'], minimum: 1 }, 'minimum', /cannot be/],
  [{ enum: [] }, 'enum', /something in it/],
  [{ enum: [1, 'a'], type: 'integer' }, 'enum', /"a", which is not of type "integer"/],
  [{ enum: Array.from({ length: 1001 }, (_, i) => i) }, 'enum', /1001 values/],
  [{ const: 1, minimum: 0 }, 'minimum', /beside `const`/],
  [{ anyOf: [{}], type: 'object' }, 'type', /beside `anyOf`/],
  [{ anyOf: [{ type: 'string' }, { not: {} }] }, 'anyOf.1.not', /cannot be/],
  [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, 'oneOf', /use `anyOf`/],
  [{ allOf: [{}, {}] }, 'allOf', /not with more/],
  [{ $ref: '#/$defs/a' }, '$ref', /name an entry/],
  [{ $ref: 'http://example.com/x' }, '$ref', /name an entry/],
  [{ $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, '$defs.a.$ref', /back to itself/],
  [{ $defs: { a: {} }, $ref: '#/$defs/a', minimum: 1 }, 'minimum', /beside `\$ref`/],
  [{ if: {} }, 'if', /without `type`/],
  [{ properties: { a: false } }, 'properties.a', /an object; got false/],
  [{ description: 'x'.repeat(70_000) }, '', /at most 65536/],
  [deep(60), '', /deeper than/],
  [
    { type: 'array', items: { anyOf: Array.from({ length: 2001 }, () => ({})) } },
    '',
    /more than the 2000/,
  ],
];

describe('a schema', () => {
  for (const [schema, place, reason] of REFUSED) {
    it(`is refused at ${place || 'some place'}: ${JSON.stringify(schema).slice(0, 70)}`, () => {
      assert.throws(
        () => checkSchema(schema),
        (error: unknown) => {
          assert.ok(error instanceof SchemaError);
          if (place !== '') assert.equal(error.path.join('.'), place);
          assert.match(error.message, reason);
          return true;
        },
      );
    });
  }

  it('contains only enforced keywords after the check', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'T',
      properties: { a: { type: 'integer', exclusiveMinimum: 0, description: 'd', default: 3 } },
      $defs: { b: { type: ['string', 'null'], maxLength: 3 } },
    };
    assert.deepEqual(checkSchema(schema), {
      type: 'object',
      properties: { a: { type: 'integer', minimum: 1 } },
      required: [],
      additionalProperties: false,
      $defs: { b: { anyOf: [{ type: 'string', maxLength: 3 }, { type: 'null' }] } },
    });
  });

  it('may refer to itself through a property or an item', () => {
    const tree = {
      $defs: { t: { properties: { kids: { type: 'array', items: { $ref: '#/$defs/t' } } } } },
      $ref: '#/$defs/t',
    };
    assert.doesNotThrow(() => checkSchema(tree));
  });
});

/** EBNF of these ranges is a regular expression but for its spaces and quotes. */
const asPattern = (grammar: string): RegExp =>
  new RegExp(`^${grammar.replaceAll('"', '').replaceAll(' ', '')}$`);

describe('a range of integers', () => {
  it('allows exactly its integers, for 300 random ranges', () => {
    const random = new Random(5);
    for (let round = 0; round < 300; round++) {
      const scale = 10 ** random.below(4);
      const ends = [random.below(3000) - 1500, random.below(3000) - 1500].map((n) =>
        Math.trunc((n * scale) / 100),
      );
      const [least = 0, most = 0] = ends.sort((a, b) => a - b);
      const pattern = asPattern(integerRange(least, most));
      for (const near of [least, most, 0, random.below(2000) - 1000]) {
        for (let n = near - 12; n <= near + 12; n++) {
          assert.equal(pattern.test(String(n)), n >= least && n <= most, `${n}: ${least}..${most}`);
        }
      }
      assert.ok(!pattern.test('-0') && !pattern.test('007') && !pattern.test(''));
    }
  });
});
