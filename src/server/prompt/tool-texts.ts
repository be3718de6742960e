import type { Tool } from '../reply/tool-calls/tool.ts';
import { type ChatMessage, textOf } from './messages.ts';
import { surroundSystem } from './modes.ts';
import type { TemplateTool } from './template.ts';

/**
 * Writes tools, calls and results into plain messages, for chat templates that have no place for them. The form is that
 * of the Hermes and Qwen templates: signatures in the system message, calls in the text of the assistant, results in a
 * user message.
 */
export function writeToolTexts(
  messages: readonly ChatMessage[],
  tools: readonly Tool[],
): ChatMessage[] {
  const written = messages.flatMap((message, index) => {
    if (message.role !== 'tool') return [withCalls(message)];
    if (messages[index - 1]?.role === 'tool') return [];
    const next = messages.findIndex(({ role }, at) => at > index && role !== 'tool');
    return [writeResults(messages.slice(index, next < 0 ? undefined : next))];
  });
  return tools.length === 0 ? written : surroundSystem(written, '', `\n\n${signatures(tools)}`);
}

/** A tool as OpenAI's interface and chat templates have it. */
export function toTemplateTool({ name, description, parameters }: Tool): TemplateTool {
  return {
    type: 'function',
    function: {
      name,
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parameters }),
    },
  };
}

function signatures(tools: readonly Tool[]): string {
  const listed = tools.map((tool) => JSON.stringify(toTemplateTool(tool))).join('\n');
  return `# Tools

You may call functions to help with the request. Their signatures are between the <tools> tags:
<tools>
${listed}
</tools>

Write each call as a JSON object with the function's name and its arguments between <tool_call> tags:
<tool_call>
{"name": <name of the function>, "arguments": <object with its arguments>}
</tool_call>`;
}

function withCalls({ toolCalls, ...message }: ChatMessage): ChatMessage {
  if (toolCalls === undefined) return message;
  const calls = toolCalls.map(
    ({ name, arguments: values }) =>
      `<tool_call>\n${JSON.stringify({ name, arguments: values })}\n</tool_call>`,
  );
  const text = textOf(message);
  return { ...message, content: [...(text === '' ? [] : [text]), ...calls].join('\n') };
}

/** Results that follow each other stand in one message. */
function writeResults(results: readonly ChatMessage[]): ChatMessage {
  const texts = results.map((result) => `<tool_response>\n${textOf(result)}\n</tool_response>`);
  return { role: 'user', content: texts.join('\n') };
}
