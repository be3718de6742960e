import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { type core, z } from 'zod';
import { ApiError, type ErrorCode } from './errors.ts';

type Issue = core.$ZodIssue;
type Path = readonly PropertyKey[];

const MAX_SHOWN_VALUE = 60;
const MAX_SHOWN_DEPTH = 8;

/** Codes that a schema may set in `params.code` of its own rules. */
const CUSTOM_CODES = [
  'conflicting_parameters',
  'missing_required_parameter',
  'unsupported_parameter',
  'unsupported_value',
] as const satisfies readonly ErrorCode[];

/**
 * Validates with zod. The client reads the first issue: the field in dotted form (`messages[0].content`), the limit, and
 * the value found.
 */
export const zodValidatorCompiler: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data: unknown) =>
    validate(schema, data);

function validate<T extends z.ZodType>(
  schema: T,
  data: unknown,
): { value: z.output<T> } | { error: ApiError } {
  const result = z.safeParse(schema, data);
  if (result.success) return { value: result.data };
  const [issue] = result.error.issues;
  if (issue === undefined) throw result.error;
  return { error: describeIssue(issue, data, []) };
}

function describeIssue(issue: Issue, data: unknown, prefix: Path): ApiError {
  const path = [...prefix, ...issue.path];
  const field = fieldName(path);
  const value = valueAt(data, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return unsupportedField([...path, issue.keys[0] ?? '']);
    case 'invalid_type':
      return wrongType(field, article(issue.expected), value);
    case 'too_big':
      return outOfRange(field, upperBound(issue), sizeOf(value));
    case 'too_small':
      return outOfRange(field, lowerBound(issue), sizeOf(value));
    case 'invalid_value':
      return notOneOf(field, issue.values, value);
    case 'invalid_union':
      return describeUnion(issue, data, path);
    case 'invalid_key':
      return invalid('invalid_value', field, `\`${field}\` is not a valid key.`);
    case 'custom':
      return custom(issue, field);
    default:
      return invalid('invalid_value', field, `\`${field}\` is not valid; got ${show(value)}.`);
  }
}

/** Explains a union by the branch that got furthest: the one with the deepest issue in the data. */
function describeUnion(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  data: unknown,
  path: Path,
): ApiError {
  const value = valueAt(data, path);
  const discriminator: unknown = Reflect.get(issue, 'discriminator');
  if (issue.errors.length === 0 && typeof discriminator === 'string') {
    const options: unknown = Reflect.get(issue, 'options');
    // The path of this issue already ends at the discriminator.
    return notOneOf(fieldName(path), Array.isArray(options) ? options : [], value);
  }
  const kinds = issue.errors.flatMap((branch) => branch.filter(isOtherKind).slice(0, 1));
  const [kind] = kinds;
  if (kind !== undefined && kinds.length === issue.errors.length)
    return describeKinds(kinds, kind, { data, path });
  const candidates = issue.errors.filter((branch) => !branch.some(isOtherKind));
  const branches = candidates.flatMap((branch) => branch.slice(0, 1));
  const matching = branches.filter((branch) => !isTypeMismatch(branch));
  const best = matching.sort((left, right) => depth(right) - depth(left))[0];
  if (best !== undefined) return describeIssue(best, data, path);
  const expected = branches.map((branch) => expectedOf(branch)).filter((name) => name !== 'null');
  return wrongType(fieldName(path), [...new Set(expected)].map(article).join(' or '), value);
}

/** Whether the data names another kind of object than the one of the branch. */
function isOtherKind(issue: Issue): issue is Extract<Issue, { code: 'invalid_value' }> {
  const [field, ...below] = issue.path;
  return (
    issue.code === 'invalid_value' && (field === 'type' || field === 'role') && below.length === 0
  );
}

/** The data names a kind that no branch has: lists the kinds that branches have. */
function describeKinds(
  kinds: readonly Extract<Issue, { code: 'invalid_value' }>[],
  { path: [field = 'type'] }: Issue,
  { data, path }: { readonly data: unknown; readonly path: Path },
): ApiError {
  const place = [...path, field];
  const values = kinds.filter((kind) => kind.path[0] === field).flatMap((kind) => kind.values);
  return notOneOf(fieldName(place), [...new Set(values)], valueAt(data, place));
}

function isTypeMismatch(issue: Issue): boolean {
  return issue.code === 'invalid_type' && issue.path.length === 0;
}

function expectedOf(issue: Issue): string {
  return issue.code === 'invalid_type' ? issue.expected : 'value';
}

function depth(issue: Issue): number {
  return issue.path.length;
}

function unsupportedField(path: Path): ApiError {
  const field = fieldName(path);
  return invalid('unsupported_parameter', field, `\`${field}\` is not supported by this server.`);
}

function wrongType(field: string, expected: string, value: unknown): ApiError {
  const target = field === '' ? 'The body' : `\`${field}\``;
  if (value === undefined || (field === '' && value === null)) {
    return invalid('missing_required_parameter', field, `${target} is required.`);
  }
  return invalid('invalid_value', field, `${target} must be ${expected}; got ${show(value)}.`);
}

function outOfRange(field: string, bound: string, found: string): ApiError {
  return invalid('invalid_value', field, `\`${field}\` must ${bound}; got ${found}.`);
}

function notOneOf(field: string, values: readonly unknown[], value: unknown): ApiError {
  if (value === undefined) return wrongType(field, '', value);
  const listed = values.map(show).join(', ');
  return values.length === 1
    ? invalid(
        'unsupported_value',
        field,
        `\`${field}\` must be ${listed}; got ${show(value)}, which is not supported by this server.`,
      )
    : invalid('invalid_value', field, `\`${field}\` must be one of ${listed}; got ${show(value)}.`);
}

function custom(issue: Extract<Issue, { code: 'custom' }>, field: string): ApiError {
  const code: unknown = issue.params?.['code'];
  const known = CUSTOM_CODES.find((each) => each === code);
  return invalid(known ?? 'invalid_value', field, issue.message);
}

function invalid(code: ErrorCode, field: string, message: string): ApiError {
  return new ApiError(code, message, field === '' ? {} : { param: field });
}

function upperBound(issue: Extract<Issue, { code: 'too_big' }>): string {
  const limit = String(issue.maximum);
  return bound(issue.origin, issue.inclusive === false ? `less than ${limit}` : `at most ${limit}`);
}

function lowerBound(issue: Extract<Issue, { code: 'too_small' }>): string {
  const limit = String(issue.minimum);
  return bound(
    issue.origin,
    issue.inclusive === false ? `greater than ${limit}` : `at least ${limit}`,
  );
}

function bound(origin: string, limit: string): string {
  const unit = { string: 'character', array: 'item', record: 'entry' }[origin];
  if (unit !== undefined) return `have ${limit} ${limit.endsWith(' 1') ? unit : plural(unit)}`;
  return `be ${limit}`;
}

function plural(unit: string): string {
  return unit === 'entry' ? 'entries' : `${unit}s`;
}

function sizeOf(value: unknown): string {
  if (typeof value === 'string' || Array.isArray(value)) return String(value.length);
  if (typeof value === 'object' && value !== null) return String(Object.keys(value).length);
  return show(value);
}

function article(type: string): string {
  const word = { int: 'integer', record: 'object', tuple: 'array' }[type] ?? type;
  return /^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`;
}

/** `messages[0].content`, the form OpenAI's own errors use. */
export function fieldName(path: Path): string {
  return path.reduce<string>(
    (name, key) =>
      typeof key === 'number'
        ? `${name}[${key}]`
        : `${name}${name === '' ? '' : '.'}${String(key)}`,
    '',
  );
}

function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined,
    data,
  );
}

function show(value: unknown): string {
  const text = JSON.stringify(abbreviated(value, MAX_SHOWN_DEPTH)) ?? String(value);
  return text.length > MAX_SHOWN_VALUE ? `${text.slice(0, MAX_SHOWN_VALUE)}…` : text;
}

/** A copy that is small enough to show; a client's value may be of any size and deeper than the stack. */
function abbreviated(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.slice(0, MAX_SHOWN_VALUE + 1);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '…';
  if (Array.isArray(value)) {
    return value.slice(0, MAX_SHOWN_VALUE).map((item) => abbreviated(item, depth - 1));
  }
  const entries = Object.entries(value).slice(0, MAX_SHOWN_VALUE);
  return Object.fromEntries(entries.map(([key, item]) => [key, abbreviated(item, depth - 1)]));
}

/** Deepest nesting of a body. No field needs more, and recursive code would overflow the stack on deeper values. */
export const MAX_NESTING = 64;

/** Rejects bodies that are nested too deep, before any code walks through them. */
export function rejectDeepNesting(app: Pick<FastifyInstance, 'addHook'>): void {
  app.addHook('preValidation', async ({ body }) => {
    if (!isDeeperThan(body, MAX_NESTING)) return;
    throw new ApiError(
      'invalid_request',
      `The body is nested deeper than ${MAX_NESTING} levels, the most that is allowed.`,
    );
  });
}

/** Works level by level, so that no depth overflows the stack. */
export function isDeeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= limit; depth += 1) {
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? Object.values(item) : [],
    );
    if (level.length === 0) return false;
  }
  return true;
}
