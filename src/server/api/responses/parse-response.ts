import type { ChatMessage, ContentPart } from '../../prompt/messages.ts';
import { objectOf } from '../../reply/tool-calls/whole-call.ts';
import type {
  AnswerFormat,
  ChatRequest,
  FieldNames,
  SamplingFields,
  ToolChoice,
  ToolsRequest,
} from '../../request/chat-request.ts';
import { mergeAssistants } from '../../request/merge-messages.ts';
import {
  budgetControl,
  effortControl,
  modeControl,
  NO_THINKING_FIELDS,
  namedControls,
} from '../../request/thinking-controls.ts';
import { checkToolResults } from '../../request/tools.ts';
import type { InputItem, UserItem } from './input-schema.ts';
import type { InputTokensRequest, ResponsesRequest } from './responses-schema.ts';

const FIELDS: FieldNames = {
  messages: 'input',
  continuesFinal: 'input',
  thinkingMode: 'thinking_mode',
  maxTokens: 'max_output_tokens',
  format: 'text.format',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'parallel_tool_calls',
};

/**
 * Reads the body of a response, or of a count of its input's tokens.
 * @throws ApiError for a tool result without its call
 */
export function parseResponse(body: ResponsesRequest | InputTokensRequest): ChatRequest {
  const messages = conversationOf(body.instructions, body.input);
  checkToolResults(messages);
  const generation: Partial<ResponsesRequest> = body;
  const { include, top_logprobs: topLogprobs } = generation;
  return {
    stream: generation.stream === true,
    numChoices: null,
    limits: {
      maxTokens: generation.max_output_tokens ?? null,
      minTokens: 0,
      stop: [],
      stopTokenIds: [],
      timeoutMs: null,
      priority: 0,
    },
    sampling: samplingOf(generation),
    topLogprobs: include?.includes('message.output_text.logprobs') ? (topLogprobs ?? 0) : null,
    model: body.model,
    messages,
    continuesFinal: false,
    thinking: {
      ...NO_THINKING_FIELDS,
      controls: namedControls({
        thinking_mode: modeControl(body.thinking_mode),
        'reasoning.effort': effortControl(body.reasoning?.effort),
        thinking_budget: budgetControl(body.thinking_budget),
      }),
    },
    display: 'separate',
    tools: toolsOf(body),
    format: formatOf(body),
    fields: FIELDS,
  };
}

function samplingOf({ temperature, top_p: topP }: Partial<ResponsesRequest>): SamplingFields {
  return {
    temperature: temperature ?? null,
    topP: topP ?? null,
    topK: null,
    minP: null,
    repetitionPenalty: null,
    presencePenalty: null,
    frequencyPenalty: null,
    logitBias: {},
    seed: null,
  };
}

function toolsOf({
  tools,
  tool_choice: choice,
  parallel_tool_calls: parallel,
}: InputTokensRequest): ToolsRequest {
  return {
    tools: (tools ?? []).map(({ name, description, parameters, strict }, index) => ({
      name,
      description: description ?? undefined,
      parameters: parameters ?? undefined,
      strict: strict === true,
      fields: { name: `tools[${index}].name`, parameters: `tools[${index}].parameters` },
    })),
    choice: choice ? choiceOf(choice) : null,
    parallel: parallel ?? null,
  };
}

function choiceOf(choice: NonNullable<InputTokensRequest['tool_choice']>): ToolChoice {
  if (typeof choice === 'string') return { type: choice };
  if (choice.type === 'function') {
    const named = { name: choice.name, field: 'tool_choice.name' };
    return { type: 'allowed', tools: [named], required: true };
  }
  const { mode, tools } = choice;
  return {
    type: 'allowed',
    tools: tools.map(({ name }, index) => ({ name, field: `tool_choice.tools[${index}].name` })),
    required: mode === 'required',
  };
}

function formatOf({ text }: InputTokensRequest): AnswerFormat | null {
  const format = text?.format;
  if (!format || format.type === 'text') return null;
  const field = 'text.format.schema';
  return { schema: format.type === 'json_schema' ? format.schema : null, field };
}

/**
 * The conversation. The pieces of an assistant turn (thinking, text, calls) become one message; the instructions come
 * before a system message that opens the input, in one message with it.
 */
function conversationOf(
  instructions: string | null | undefined,
  input: string | readonly InputItem[],
): ChatMessage[] {
  const messages =
    typeof input === 'string'
      ? [userMessage({ content: input }, 'input')]
      : input
          .map((item, index) => messageOf(item, `input[${index}]`))
          .reduce<ChatMessage[]>(append, []);
  return instructions ? withInstructions(instructions, messages) : messages;
}

function messageOf(item: InputItem, field: string): ChatMessage {
  switch (item.type) {
    case 'reasoning':
      return assistantMessage({ reasoning: reasoningOf(item) });
    case 'function_call': {
      const { call_id: id, name, arguments: text } = item;
      return assistantMessage({ toolCalls: [{ id, name, arguments: objectOf(text) ?? {} }] });
    }
    case 'function_call_output':
      return {
        role: 'tool',
        toolCallId: item.call_id,
        toolCallIdField: `${field}.call_id`,
        content: textOf(item.output, ''),
      };
    default:
      return roleMessage(item, field);
  }
}

function roleMessage(
  item: Exclude<InputItem, { type: 'reasoning' | 'function_call' | 'function_call_output' }>,
  field: string,
): ChatMessage {
  switch (item.role) {
    case 'assistant':
      return assistantMessage({ content: textOf(item.content, '') });
    case 'user':
      return userMessage(item, field);
    case 'system':
    case 'developer':
      return { role: 'system', content: textOf(item.content, '\n\n') };
  }
}

function userMessage({ content }: Pick<UserItem, 'content'>, field: string): ChatMessage {
  if (typeof content === 'string') return { role: 'user', content };
  return {
    role: 'user',
    content: content.map((part, index): ContentPart => {
      if (part.type === 'input_text') return { type: 'text', text: part.text };
      return {
        type: 'image',
        source: part.image_url,
        detail: part.detail ?? 'auto',
        field: `${field}.content[${index}]`,
      };
    }),
  };
}

function assistantMessage({
  content = '',
  reasoning = '',
  toolCalls,
}: Pick<Partial<ChatMessage>, 'content' | 'reasoning' | 'toolCalls'>): ChatMessage {
  return {
    role: 'assistant',
    content,
    ...(reasoning !== '' && { reasoning }),
    ...(toolCalls !== undefined && { toolCalls }),
  };
}

function reasoningOf({ content, summary }: Extract<InputItem, { type: 'reasoning' }>): string {
  const texts = content && content.length > 0 ? content : summary;
  return texts.map(({ text }) => text).join('\n\n');
}

function textOf(content: string | readonly { readonly text: string }[], separator: string): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join(separator);
}

function append(messages: ChatMessage[], message: ChatMessage): ChatMessage[] {
  const last = messages.at(-1);
  const merged = last === undefined ? null : mergeAssistants(last, message);
  return merged === null ? [...messages, message] : [...messages.slice(0, -1), merged];
}

function withInstructions(instructions: string, messages: readonly ChatMessage[]): ChatMessage[] {
  const [first, ...rest] = messages;
  if (first?.role !== 'system') return [{ role: 'system', content: instructions }, ...messages];
  return [{ role: 'system', content: `${instructions}\n\n${String(first.content)}` }, ...rest];
}
