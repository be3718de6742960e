import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';

/** A POST route with what its body must look like, read from the published description. */
export interface PostRoute {
  readonly path: string;
  readonly isValid: ValidateFunction;
  /** Names of the body's fields. */
  readonly fields: readonly string[];
}

/** Words a log must not repeat. */
export const MARKER = 'xyzzy-do-not-log';

/** Something for every field that one of the routes requires; not all together make sense anywhere. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  model: 'nano',
  messages: [{ role: 'user', content: `Hello ${MARKER}` }],
  prompt: `Hello ${MARKER}`,
  input: `Hello ${MARKER}`,
  max_tokens: 4,
  tokens: [1],
  id: 'chatcmpl-none',
  action: 'answer_now',
};

/** Every POST route of the committed description. */
export function postRoutes(): PostRoute[] {
  const document = JSON.parse(readFileSync('openapi/openapi.json', 'utf8'));
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'openapi');
  return Object.entries<Record<string, object>>(document.paths).flatMap(([path, item]) => {
    const schema = Object(item['post']).requestBody?.content?.['application/json']?.schema;
    if (schema === undefined) return [];
    const pointer = `/paths/${path.replaceAll('~', '~0').replaceAll('/', '~1')}/post/requestBody/content/application~1json/schema`;
    const isValid = ajv.compile({ $ref: `openapi#${pointer}` });
    return [{ path, isValid, fields: fieldsOf(schema, document) }];
  });
}

function fieldsOf(schema: Record<string, unknown>, document: object): string[] {
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    const steps = reference.split('/').slice(1);
    const target = steps.reduce<unknown>((at, step) => Object(at)[step], document);
    return fieldsOf(Object(target), document);
  }
  const branches = [schema['anyOf'], schema['oneOf'], schema['allOf']].flat().filter(Boolean);
  const own = Object.keys(Object(schema['properties']));
  return [...own, ...branches.flatMap((branch) => fieldsOf(Object(branch), document))];
}

/** A body with what the route requires. */
export function plainBody({ fields }: PostRoute): Record<string, unknown> {
  return Object.fromEntries(Object.entries(SAMPLES).filter(([name]) => fields.includes(name)));
}

const SEED = 20_261_121;

/** Bodies in which one field holds anything at all, of which those the description forbids. */
export function wrongTypes(route: PostRoute, count: number): string[] {
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(null, true, -1, 0.5, '', [], {}, [null], '\u0000', '\ud800', 1e308),
  );
  const change = fc.tuple(fc.constantFrom(...route.fields), value);
  return sample(change, count * 4)
    .map(([field, found]) => ({ ...plainBody(route), [field]: found }))
    .filter((body) => !route.isValid(body))
    .slice(0, count)
    .map((body) => JSON.stringify(body));
}

/** Bodies with a field nobody knows, at the top or in a message. */
export function unknownFields(route: PostRoute, count: number): string[] {
  const names = fc.oneof(
    fc.constantFrom('constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'),
    fc.constantFrom('temperatur', 'max_token', 'Model', 'messages ', 'stream\u200b', ''),
    fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
  );
  return sample(fc.tuple(names, fc.jsonValue({ maxDepth: 2 })), count * 2)
    .map(([name, value]) => {
      const body = plainBody(route);
      return Object.defineProperty({ ...body }, name, { value, enumerable: true });
    })
    .filter((body) => !route.isValid(body))
    .slice(0, count)
    .map((body) => JSON.stringify(body));
}

/** Text that is nearly the JSON of a body, but no JSON. */
export function brokenJson(route: PostRoute, count: number): string[] {
  const text = JSON.stringify(plainBody(route));
  const damage = fc.tuple(
    fc.integer({ min: 0, max: text.length }),
    fc.integer({ min: 0, max: 8 }),
    fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('}', '{', '"', ',', '\\', '\u0000', 'NaN'),
    ),
  );
  const damaged = sample(damage, count * 3).map(
    ([at, length, inserted]) => text.slice(0, at) + inserted + text.slice(at + length),
  );
  const fixed = [text.slice(0, -1), `${text}${text}`, text.replaceAll('"', "'"), '\ufeff\ufeff{}'];
  return [...fixed, ...damaged].filter((candidate) => !isJson(candidate)).slice(0, count);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON that tries to reach the prototype of every object. */
export function poisonedPrototypes(route: PostRoute): string[] {
  const text = JSON.stringify(plainBody(route)).slice(1, -1);
  return [
    `{"__proto__":{"polluted":true},${text}}`,
    `{${text},"__proto__":{"stream":true}}`,
    `{${text},"\\u005f_proto__":null}`,
    `{${text},"constructor":{"prototype":{"polluted":true}}}`,
    `{${text},"metadata":{"__proto__":{"polluted":"yes"}}}`,
    `{${text},"metadata":[{"constructor":{"prototype":{"polluted":1}}}]}`,
  ];
}

/** JSON nested deeper than any stack, where a plain value belongs. */
export function deepNesting(route: PostRoute): string[] {
  const body = plainBody(route);
  return [1_000, 20_000, 200_000].flatMap((depth) => {
    const lists = '['.repeat(depth) + ']'.repeat(depth);
    const objects = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    const placed = Object.keys(body).flatMap((field) => {
      const { [field]: _replaced, ...rest } = body;
      const others = JSON.stringify(rest).slice(1, -1);
      const comma = others === '' ? '' : ',';
      return [lists, objects].map((deep) => `{${others}${comma}${JSON.stringify(field)}:${deep}}`);
    });
    return [lists, objects, ...placed];
  });
}

/** Every field with a number that no machine number holds, or that JSON cannot mean. */
export function hugeNumbers(route: PostRoute): string[] {
  return route.fields.flatMap((field) =>
    ['1e400', '-1e400', '-9007199254740993', `-${'9'.repeat(400)}`].flatMap((number) => {
      const { [field]: _replaced, ...rest } = plainBody(route);
      const body = { ...rest, [field]: Number(number) };
      if (route.isValid(body)) return [];
      const others = JSON.stringify(rest).slice(1, -1);
      return [`{${others}${others === '' ? '' : ','}${JSON.stringify(field)}:${number}}`];
    }),
  );
}

function sample<T>(arbitrary: fc.Arbitrary<T>, count: number): T[] {
  return fc.sample(arbitrary, { numRuns: count, seed: SEED });
}
