import type { Manifest } from '../../package/manifest.ts';
import { ApiError } from '../http/errors.ts';
import type { ChatMessage } from '../prompt/messages.ts';
import type { OfferedTools } from '../reply/tool-calls/open-answer-reader.ts';
import type { RequestedTool } from '../reply/tool-calls/tool.ts';
import type { FieldNames, NamedTool, ToolChoice, ToolsRequest } from './chat-request.ts';

type ToolFieldNames = Pick<FieldNames, 'parallelToolCalls' | 'toolChoice'>;

/**
 * The tools that a reply may call.
 * @returns null where there are none
 * @throws ApiError where the fields contradict, or the server cannot read how the model writes calls
 */
export function resolveTools(
  { tools, choice, parallel }: ToolsRequest,
  { chat, name }: Pick<Manifest, 'chat' | 'name'>,
  fields: ToolFieldNames,
): OfferedTools | null {
  checkNames(tools);
  if (tools.length === 0) {
    if (choice !== null && choice.type !== 'none') throw needsTools(fields.toolChoice);
    if (parallel !== null) throw needsTools(fields.parallelToolCalls);
    return null;
  }
  if (choice?.type === 'none') return null;
  if (chat.toolCalls === null) {
    const message = `\`tools\` cannot be used: how ${name} writes calls is not known to this server.`;
    throw new ApiError('unsupported_parameter', message, { param: 'tools' });
  }
  return { format: chat.toolCalls, tools, ...callableTools(choice, tools) };
}

/** The tools that may be called, of those that the model is shown, and whether one must be. */
function callableTools(
  choice: ToolChoice | null,
  tools: readonly RequestedTool[],
): Pick<OfferedTools, 'callable' | 'required'> {
  if (choice?.type !== 'allowed') {
    return { callable: tools, required: choice?.type === 'required' };
  }
  const callable = choice.tools.map((named) => findTool(named, tools));
  return { callable: [...new Set(callable)], required: choice.required };
}

function findTool({ name, field }: NamedTool, tools: readonly RequestedTool[]): RequestedTool {
  const tool = tools.find((known) => known.name === name);
  if (tool !== undefined) return tool;
  const message = `\`${field}\` is ${JSON.stringify(name)}, which is not among \`tools\`.`;
  throw new ApiError('invalid_value', message, { param: field });
}

function checkNames(tools: readonly RequestedTool[]): void {
  for (const [index, { name, fields }] of tools.entries()) {
    const first = tools.findIndex((tool) => tool.name === name);
    if (first === index) continue;
    const param = fields.name;
    throw new ApiError(
      'invalid_value',
      `\`${param}\` is ${JSON.stringify(name)}, which tools[${first}] is called already.`,
      { param },
    );
  }
}

function needsTools(param: string): ApiError {
  return new ApiError('invalid_value', `\`${param}\` needs \`tools\`; there are none.`, { param });
}

/**
 * Checks that every tool result belongs to a call of an earlier assistant message.
 * @throws ApiError naming the result
 */
export function checkToolResults(messages: readonly ChatMessage[]): void {
  const called = new Map<string, string>();
  for (const [index, message] of messages.entries()) {
    for (const { id, name } of message.toolCalls ?? []) called.set(id, name);
    const { role, toolCallId = '', name } = message;
    if (role !== 'tool') continue;
    const calledName = called.get(toolCallId);
    if (calledName === undefined) {
      const { toolCallIdField: param = `messages[${index}].tool_call_id` } = message;
      const text = `\`${param}\` is ${quoted(toolCallId)}, which no earlier assistant message called.`;
      throw new ApiError('invalid_value', text, { param });
    }
    if (name === undefined || name === calledName) continue;
    const param = `messages[${index}].name`;
    const text = `\`${param}\` is ${quoted(name)}, but the call is of ${JSON.stringify(calledName)}.`;
    throw new ApiError('invalid_value', text, { param });
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}
