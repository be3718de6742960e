import type { Tool } from '../reply/tool-calls/tool.ts';
import type { ChatMessage } from './messages.ts';
import { surroundSystem } from './mode-texts.ts';
import type { TemplateTool } from './template.ts';

/**
 * Writes tools, calls and results into plain messages, for chat templates that know none of them, in the way of the
 * Hermes and Qwen templates: signatures in the system message, calls in the assistant's text, results in a user message.
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
  const text = textOf(message.content);
  return { ...message, content: [...(text === '' ? [] : [text]), ...calls].join('\n') };
}

/** Results that follow each other stand in one message. */
function writeResults(results: readonly ChatMessage[]): ChatMessage {
  const texts = results.map(
    ({ content }) => `<tool_response>\n${textOf(content)}\n</tool_response>`,
  );
  return { role: 'user', content: texts.join('\n') };
}

function textOf(content: ChatMessage['content']): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
