import type { Manifest } from '../../package/manifest.ts';
import type { ToolFields } from '../api/openai-chat/tool-fields.ts';
import { ApiError } from '../http/errors.ts';
import type { OfferedTools } from '../reply/tool-calls/open-answer-reader.ts';
import type { RequestedTool } from '../reply/tool-calls/tool.ts';

/**
 * The tools a reply may call; null where there are none.
 * @throws ApiError where the fields contradict, or the model's way to call tools is not known
 */
export function resolveTools(
  body: ToolFields,
  { chat, name }: Pick<Manifest, 'chat' | 'name'>,
): OfferedTools | null {
  const tools = (body.tools ?? []).map(toTool);
  checkNames(tools);
  const choice = body.tool_choice ?? null;
  if (tools.length === 0) {
    if (choice !== null && choice !== 'none') throw needsTools('tool_choice');
    if (typeof body.parallel_tool_calls === 'boolean') throw needsTools('parallel_tool_calls');
    return null;
  }
  if (choice === 'none') return null;
  if (chat.toolCalls === null) {
    const message = `\`tools\` cannot be used: how ${name} writes calls is not known to this server.`;
    throw new ApiError('unsupported_parameter', message, { param: 'tools' });
  }
  return { format: chat.toolCalls, tools, ...chosen(choice, tools) };
}

/** What may be called of what is shown, and whether something must be. */
function chosen(
  choice: Exclude<ToolFields['tool_choice'], 'none' | undefined>,
  tools: readonly RequestedTool[],
): Pick<OfferedTools, 'callable' | 'required'> {
  if (choice === null || choice === 'auto') return { callable: tools, required: false };
  if (choice === 'required') return { callable: tools, required: true };
  if (choice.type === 'function') {
    const at = 'tool_choice.function.name';
    return { callable: [toolNamed(choice.function.name, tools, at)], required: true };
  }
  const { mode, tools: allowed } = choice.allowed_tools;
  const callable = allowed.map(({ function: { name } }, index) =>
    toolNamed(name, tools, `tool_choice.allowed_tools.tools[${index}].function.name`),
  );
  return { callable: [...new Set(callable)], required: mode === 'required' };
}

function toolNamed(name: string, tools: readonly RequestedTool[], param: string): RequestedTool {
  const tool = tools.find((known) => known.name === name);
  if (tool !== undefined) return tool;
  const message = `\`${param}\` is ${JSON.stringify(name)}, which is not among \`tools\`.`;
  throw new ApiError('invalid_value', message, { param });
}

type WireTool = NonNullable<ToolFields['tools']>[number];

function toTool({ function: tool }: WireTool, index: number): RequestedTool {
  const { name, description, parameters, strict } = tool;
  return {
    name,
    description: description ?? undefined,
    parameters: parameters ?? undefined,
    strict: strict === true,
    index,
  };
}

function checkNames(tools: readonly RequestedTool[]): void {
  for (const [index, { name }] of tools.entries()) {
    const first = tools.findIndex((tool) => tool.name === name);
    if (first === index) continue;
    const param = `tools[${index}].function.name`;
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
