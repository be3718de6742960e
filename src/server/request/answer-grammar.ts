import { checkSchema } from '../../engine/constrained/check-schema.ts';
import {
  type CheckedSchema,
  type GrammarSpec,
  writeGrammar,
} from '../../engine/constrained/grammar-spec.ts';
import { SchemaError } from '../../engine/constrained/schema-walk.ts';
import { ApiError } from '../http/errors.ts';
import { fieldName } from '../http/validation.ts';
import type { OfferedTools } from '../reply/tool-calls/open-answer-reader.ts';
import type { RequestedTool } from '../reply/tool-calls/tool.ts';
import type { AnswerFormat, ChatRequest } from './chat-request.ts';

const ANY_OBJECT: CheckedSchema = { type: 'object' };

type GrammarFields = Pick<ChatRequest, 'continuesFinal' | 'fields' | 'format' | 'tools'>;

/**
 * The grammar of the answer: JSON where the request asks for it; where it offers tools, well-formed calls.
 * @returns null for free text
 * @throws ApiError naming the place in a schema of what cannot be enforced
 */
export function resolveGrammar(request: GrammarFields, tools: OfferedTools | null): string | null {
  const schema = schemaOf(request.format);
  checkBeginning(request, tools, schema);
  const spec = specOf(tools, schema, request.tools.parallel === false);
  return spec === null ? null : writeGrammar(spec);
}

/** @throws ApiError where the caller began the answer, so that the grammar cannot hold from its first letter */
function checkBeginning(
  { continuesFinal, fields }: GrammarFields,
  tools: OfferedTools | null,
  schema: CheckedSchema | null,
): void {
  if (!continuesFinal) return;
  const param = schema !== null ? fields.format : tools?.required ? fields.toolChoice : null;
  if (param === null) return;
  throw new ApiError(
    'conflicting_parameters',
    `\`${param}\` and \`${fields.continuesFinal}\` contradict: an answer that was begun cannot be held to a form.`,
    { param },
  );
}

function specOf(
  offered: OfferedTools | null,
  schema: CheckedSchema | null,
  single: boolean,
): GrammarSpec | null {
  if (offered === null) return schema === null ? null : { kind: 'json', schema };
  return {
    kind: 'calls',
    format: offered.format,
    tools: offered.callable.map((tool) => ({ name: tool.name, schema: argumentsSchema(tool) })),
    otherwise: offered.required ? 'nothing' : (schema ?? 'text'),
    single,
  };
}

function schemaOf(format: AnswerFormat | null): CheckedSchema | null {
  if (format === null) return null;
  return format.schema === null ? ANY_OBJECT : checkedAt(format.schema, format.field);
}

/** A tool that is not strict takes any object where its schema asks for more than can be enforced. */
function argumentsSchema({ parameters, strict, fields }: RequestedTool): CheckedSchema {
  if (parameters === undefined) return ANY_OBJECT;
  if (strict) return objectOnly(checkedAt(parameters, fields.parameters), fields.parameters);
  try {
    const schema = checkSchema(parameters);
    return schema['type'] === 'object' ? schema : ANY_OBJECT;
  } catch {
    return ANY_OBJECT;
  }
}

/** The arguments of a call are an object, whatever else their schema allows. */
function objectOnly(schema: CheckedSchema, field: string): CheckedSchema {
  if (Object.keys(schema).length === 0) return ANY_OBJECT;
  if (schema['type'] === 'object') return schema;
  throw unsupported([field, 'type'], 'must be "object": the arguments of a call are one');
}

function checkedAt(schema: unknown, field: string): CheckedSchema {
  try {
    return checkSchema(schema);
  } catch (error) {
    if (error instanceof SchemaError) throw unsupported([field, ...error.path], error.message);
    throw error;
  }
}

function unsupported(path: readonly (string | number)[], why: string): ApiError {
  const param = fieldName(path);
  return new ApiError('unsupported_schema', `\`${param}\` ${why}.`, { param });
}
