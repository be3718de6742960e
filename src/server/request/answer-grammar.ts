import { checkSchema } from '../../engine/constrained/check-schema.ts';
import {
  type CheckedSchema,
  type GrammarSpec,
  writeGrammar,
} from '../../engine/constrained/grammar-spec.ts';
import { SchemaError } from '../../engine/constrained/schema-walk.ts';
import type { ResponseFormat } from '../api/openai-chat/response-format.ts';
import type { ToolFields } from '../api/openai-chat/tool-fields.ts';
import { ApiError } from '../http/errors.ts';
import { fieldName } from '../http/validation.ts';
import type { OfferedTools } from '../reply/tool-calls/open-answer-reader.ts';
import type { RequestedTool } from '../reply/tool-calls/tool.ts';

type GrammarFields = ToolFields & {
  readonly response_format?: ResponseFormat;
  readonly continue_final_message?: boolean | null | undefined;
};

const ANY_OBJECT: CheckedSchema = { type: 'object' };

/**
 * What the answer is held to: JSON where that was asked for; where tools are on offer, calls that are well-formed.
 * @returns null for free text
 * @throws ApiError naming the place in a schema of what cannot be enforced
 */
export function resolveGrammar(body: GrammarFields, tools: OfferedTools | null): string | null {
  const schema = schemaOf(body.response_format);
  checkBeginning(body, tools, schema);
  const spec = grammarOf(body, tools, schema);
  return spec === null ? null : writeGrammar(spec);
}

/** @throws ApiError where the answer was begun by the caller, and so is not the constraint's from its first letter */
function checkBeginning(
  { continue_final_message: continues }: GrammarFields,
  tools: OfferedTools | null,
  schema: CheckedSchema | null,
): void {
  if (continues !== true) return;
  const param = schema !== null ? 'response_format' : tools?.required ? 'tool_choice' : null;
  if (param === null) return;
  throw new ApiError(
    'conflicting_parameters',
    `\`${param}\` and \`continue_final_message\` contradict: an answer that was begun cannot be held to a form.`,
    { param },
  );
}

function grammarOf(
  body: ToolFields,
  offered: OfferedTools | null,
  schema: CheckedSchema | null,
): GrammarSpec | null {
  if (offered === null) return schema === null ? null : { kind: 'json', schema };
  return {
    kind: 'calls',
    format: offered.format,
    tools: offered.callable.map((tool) => ({ name: tool.name, schema: argumentsSchema(tool) })),
    otherwise: offered.required ? 'nothing' : (schema ?? 'text'),
    single: body.parallel_tool_calls === false,
  };
}

function schemaOf(format: ResponseFormat): CheckedSchema | null {
  if (format === undefined || format === null || format.type === 'text') return null;
  if (format.type === 'json_object') return ANY_OBJECT;
  const { schema } = format.json_schema;
  const path = ['response_format', 'json_schema', 'schema'];
  return schema === undefined || schema === null ? ANY_OBJECT : checkedAt(schema, path);
}

/** A tool that is not strict takes any object where its schema has more in it than can be enforced. */
function argumentsSchema({ parameters, strict, index }: RequestedTool): CheckedSchema {
  if (parameters === undefined) return ANY_OBJECT;
  const path = ['tools', index, 'function', 'parameters'];
  if (strict) return objectOnly(checkedAt(parameters, path), path);
  try {
    const schema = checkSchema(parameters);
    return schema['type'] === 'object' ? schema : ANY_OBJECT;
  } catch {
    return ANY_OBJECT;
  }
}

/** The arguments of a call are an object, whatever else their schema would let them be. */
function objectOnly(schema: CheckedSchema, path: readonly (string | number)[]): CheckedSchema {
  if (Object.keys(schema).length === 0) return ANY_OBJECT;
  if (schema['type'] === 'object') return schema;
  throw refusal([...path, 'type'], 'must be "object": the arguments of a call are one');
}

function checkedAt(schema: unknown, path: readonly (string | number)[]): CheckedSchema {
  try {
    return checkSchema(schema);
  } catch (error) {
    if (error instanceof SchemaError) throw refusal([...path, ...error.path], error.message);
    throw error;
  }
}

function refusal(path: readonly (string | number)[], why: string): ApiError {
  const param = fieldName(path);
  return new ApiError('unsupported_schema', `\`${param}\` ${why}.`, { param });
}
