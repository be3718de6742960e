import type { Manifest } from '../model-package/manifest.ts';
import type { OfferedTools } from '../tool-calls/open-answer-reader.ts';
import type { Tool } from '../tool-calls/tool.ts';
import { ApiError } from './errors.ts';
import type { ToolFields } from './tool-fields.ts';

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
  if (tools.length === 0) {
    if (body.tool_choice === 'auto') throw needsTools('tool_choice');
    return null;
  }
  if (body.tool_choice === 'none') return null;
  if (chat.toolCalls === null) {
    const message = `\`tools\` cannot be used: how ${name} writes calls is not known to this server.`;
    throw new ApiError('unsupported_parameter', message, { param: 'tools' });
  }
  return { format: chat.toolCalls, tools };
}

type WireTool = NonNullable<ToolFields['tools']>[number];

function toTool({ function: { name, description, parameters } }: WireTool): Tool {
  return {
    name,
    description: description ?? undefined,
    parameters: parameters ?? undefined,
  };
}

function checkNames(tools: readonly Tool[]): void {
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
