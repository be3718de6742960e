import { either, literal, repeated } from './ebnf.ts';
import type { CheckedSchema } from './grammar-spec.ts';
import { integerRange, numberRange } from './number-ranges.ts';
import { numberEnds } from './schema-scalars.ts';
import { patternGrammar, STRING_FORMATS } from './string-grammar.ts';

/*
 * Translates checked JSON schemas to EBNF. xgrammar has a translator, but it lets wrong values through and reports
 * nothing. Tried with web-xgrammar 0.1.27: `minimum` and `maximum` of a `number` are ignored, and an `integer` from -7 to
 * 120 may be 121; a string with `minLength` or `maxLength` may hold raw control characters, and a pattern's `.` a raw
 * quote or line break, so that the answer is no JSON; the format `date` allows 31 February; `multipleOf` and `uniqueItems`
 * are dropped without an error. Here every keyword is enforced or rejected with its place in the schema (check-schema.ts).
 */

/**
 * JSON on one line, with the separators of Python's json.dumps: no white space in which a model could loop, and no number
 * without an end. Surrogates are not written as escapes, so that a character counts as one.
 */
const JSON_RULES = [
  'value ::= object | array | string | number | "true" | "false" | "null"',
  'object ::= "{" ("" | string ": " value (", " string ": " value)*) "}"',
  'array ::= "[" ("" | value (", " value)*) "]"',
  'string ::= "\\"" string_rest',
  'string_rest ::= ("\\"" | [^\\0-\\x1f\\"\\\\] string_rest | "\\\\" escape string_rest) (=([,}\\]:]))',
  'escape ::= [\\"\\\\/bfnrt] | "u" ([0-9A-CEFa-cef] [0-9A-Fa-f]{3} | [Dd] [0-7] [0-9A-Fa-f]{2})',
  'character ::= [^\\0-\\x1f\\"\\\\] | "\\\\" escape',
  'number ::= ("" | "-") ("0" | [1-9] [0-9]{0,14}) ("" | "." [0-9]{1,15}) ("" | [eE] ("" | [+\\-]) [0-9]{1,2})',
];

/** Rules that every grammar needs. */
export function sharedRules(): readonly string[] {
  return JSON_RULES;
}

export interface SchemaRules {
  /** Name of the rule that matches the JSON texts of the schema. */
  readonly root: string;
  readonly rules: readonly string[];
}

/** Rules of a schema. @param prefix of the rule names, letters only; schemas of one grammar need different prefixes */
export function schemaRules(schema: CheckedSchema, prefix: string): SchemaRules {
  const grammar = new SchemaGrammar(schema, prefix);
  return { root: grammar.root, rules: grammar.rules };
}

type Schema = Readonly<Record<string, unknown>>;

class SchemaGrammar {
  readonly root: string;
  readonly rules: string[] = [];
  readonly #root: CheckedSchema;
  readonly #prefix: string;
  readonly #references = new Map<string, string>();
  #numRules = 0;

  constructor(root: CheckedSchema, prefix: string) {
    this.#root = root;
    this.#prefix = prefix;
    this.root = this.#reference('#');
  }

  #reference(to: string): string {
    const known = this.#references.get(to);
    if (known !== undefined) return known;
    const name = this.#newName();
    this.#references.set(to, name);
    const [, group = '', key = ''] = to.split('/');
    const schema = to === '#' ? this.#root : asSchema(asSchema(this.#root[group])[key]);
    this.rules.push(`${name} ::= ${this.#body(schema)}`);
    return name;
  }

  /** Gives a compound expression its own rule. */
  #rule(body: string): string {
    const name = this.#newName();
    this.rules.push(`${name} ::= ${body}`);
    return name;
  }

  #newName(): string {
    return `${this.#prefix}${this.#numRules++}`;
  }

  #body(schema: Schema): string {
    if (schema['$ref'] !== undefined) return this.#reference(String(schema['$ref']));
    const { enum: values, anyOf: branches } = schema;
    if (Array.isArray(values)) return either(values.map((value) => literal(JSON.stringify(value))));
    if (Array.isArray(branches)) {
      return either(branches.map((branch) => this.#body(asSchema(branch))));
    }
    switch (schema['type']) {
      case 'object':
        return this.#object(schema);
      case 'array':
        return this.#array(schema);
      case 'string':
        return stringBody(schema);
      case 'integer':
        return integerRange(numberOf(schema['minimum']), numberOf(schema['maximum']));
      case 'number':
        return numberBody(schema);
      case 'boolean':
        return '("true" | "false")';
      case 'null':
        return '"null"';
      default:
        return 'value';
    }
  }

  #object(schema: Schema): string {
    const { properties, additionalProperties: more } = schema;
    if (properties === undefined) {
      if (more === undefined || more === true) return 'object';
      const pair = `string ": " ${this.#rule(this.#body(asSchema(more)))}`;
      return `"{" ("" | ${pair} (", " ${pair})*) "}"`;
    }
    const required = new Set(Array.isArray(schema['required']) ? schema['required'] : []);
    const pairs = Object.entries(asSchema(properties)).map(([name, value]) => ({
      text: `${literal(`${JSON.stringify(name)}: `)} ${this.#rule(this.#body(asSchema(value)))}`,
      isRequired: required.has(name),
    }));
    return `"{" ${this.#pairs(pairs)} "}"`;
  }

  /** Properties in order. Each has two rules: with and without a property before it. */
  #pairs(pairs: readonly { readonly text: string; readonly isRequired: boolean }[]): string {
    let first = '""';
    let later = '""';
    for (const { text, isRequired } of pairs.toReversed()) {
      const begun = `${text} ${later}`;
      first = this.#rule(isRequired ? begun : `${begun} | ${first}`);
      later = this.#rule(isRequired ? `", " ${begun}` : `", " ${begun} | ${later}`);
    }
    return first;
  }

  #array(schema: Schema): string {
    if (Array.isArray(schema['prefixItems'])) {
      const places = schema['prefixItems'].map((place) => this.#rule(this.#body(asSchema(place))));
      return `"[" ${places.join(' ", " ')} "]"`;
    }
    const least = numberOf(schema['minItems']) ?? 0;
    const most = numberOf(schema['maxItems']);
    if (most === 0) return '"[]"';
    const item = this.#rule(this.#body(asSchema(schema['items'])));
    const more = repeated(
      `(", " ${item})`,
      Math.max(0, least - 1),
      most === undefined ? undefined : most - 1,
    );
    const filled = `${item} ${more}`;
    return least > 0 ? `"[" ${filled} "]"` : `"[" ("" | ${filled}) "]"`;
  }
}

function numberBody(schema: Schema): string {
  const { least, most } = numberEnds(schema);
  if (least === undefined && most === undefined) return 'number';
  return numberRange(least, most) ?? '""';
}

function stringBody({ format, pattern, minLength, maxLength }: Schema): string {
  if (typeof format === 'string') return `"\\"" ${STRING_FORMATS[format]} "\\""`;
  if (typeof pattern === 'string') return `"\\"" ${patternGrammar(pattern)} "\\""`;
  if (minLength === undefined && maxLength === undefined) return 'string';
  return `"\\"" ${repeated('character', numberOf(minLength) ?? 0, numberOf(maxLength))} "\\""`;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}
