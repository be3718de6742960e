import { ApiError } from '../../http/errors.ts';
import type { ChatMessage, ContentPart } from '../../prompt/messages.ts';
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
  NO_THINKING_FIELDS,
  namedControls,
  type ThinkingControl,
  typeControl,
} from '../../request/thinking-controls.ts';
import type { EffortBudgets } from '../../request/thinking-policy.ts';
import { checkToolResults } from '../../request/tools.ts';
import type { AnthropicMessage, AssistantBlock, TextBlock, UserBlock } from './content-schema.ts';
import type { CountTokensRequest, MessagesRequest } from './messages-schema.ts';

const FIELDS: FieldNames = {
  messages: 'messages',
  continuesFinal: 'messages',
  thinkingMode: 'thinking.type',
  maxTokens: 'max_tokens',
  format: 'output_config.format',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'tool_choice.disable_parallel_tool_use',
};

/**
 * Reads the body of a message, or of a count of its tokens.
 * @param effortBudgets thinking budgets of the server by effort
 * @throws ApiError for a conversation without a message, or a tool result without its call
 */
export function parseMessages(
  body: MessagesRequest | CountTokensRequest,
  effortBudgets: EffortBudgets,
): ChatRequest {
  const messages = conversationOf(body);
  if (messages.length === 0) {
    const message = '`messages` must have at least 1 item; got 0.';
    throw new ApiError('invalid_value', message, { param: 'messages' });
  }
  checkToolResults(messages);
  const generation = 'max_tokens' in body ? body : null;
  return {
    stream: generation?.stream === true,
    numChoices: null,
    limits: {
      maxTokens: generation?.max_tokens ?? null,
      minTokens: 0,
      stop: generation?.stop_sequences ?? [],
      stopTokenIds: [],
      timeoutMs: null,
      priority: 0,
    },
    sampling: samplingOf(generation),
    topLogprobs: null,
    model: body.model,
    messages,
    continuesFinal: messages.at(-1)?.role === 'assistant',
    thinking: { ...NO_THINKING_FIELDS, controls: controlsOf(body, effortBudgets) },
    display: 'separate',
    tools: toolsOf(body),
    format: formatOf(body),
    fields: FIELDS,
  };
}

/** Whether the caller says anything about thinking, and so knows that a reply may have thinking blocks. */
export function asksAboutThinking({
  thinking,
  output_config: output,
}: CountTokensRequest): boolean {
  return (thinking ?? null) !== null || (output?.effort ?? null) !== null;
}

function samplingOf(body: MessagesRequest | null): SamplingFields {
  return {
    temperature: body?.temperature ?? null,
    topP: body?.top_p ?? null,
    topK: body?.top_k ?? null,
    minP: null,
    repetitionPenalty: null,
    presencePenalty: null,
    frequencyPenalty: null,
    logitBias: {},
    seed: null,
  };
}

/** An effort is a budget. Unless `thinking` is enabled as well, it does not make the model think. */
function controlsOf(
  { thinking, output_config: output }: CountTokensRequest,
  effortBudgets: EffortBudgets,
): ThinkingControl[] {
  const effort = output?.effort ?? null;
  const isForced = thinking?.type === 'enabled' || thinking?.type === 'disabled';
  return namedControls({
    'output_config.effort':
      isForced || effort === null ? effortControl(effort) : budgetControl(effortBudgets[effort]),
    'thinking.type': typeControl(thinking?.type),
    'thinking.budget_tokens': budgetControl(
      thinking?.type === 'enabled' ? thinking.budget_tokens : null,
    ),
  });
}

function toolsOf({ tools, tool_choice: choice }: CountTokensRequest): ToolsRequest {
  const isSingle =
    choice && 'disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use === true;
  return {
    tools: (tools ?? []).map(({ name, description, strict, input_schema: parameters }, index) => ({
      name,
      description: description ?? undefined,
      parameters,
      strict: strict === true,
      fields: { name: `tools[${index}].name`, parameters: `tools[${index}].input_schema` },
    })),
    choice: choice ? choiceOf(choice) : null,
    parallel: isSingle ? false : null,
  };
}

function choiceOf(choice: NonNullable<CountTokensRequest['tool_choice']>): ToolChoice {
  switch (choice.type) {
    case 'auto':
    case 'none':
      return { type: choice.type };
    case 'any':
      return { type: 'required' };
    case 'tool': {
      const named = { name: choice.name, field: 'tool_choice.name' };
      return { type: 'allowed', tools: [named], required: true };
    }
  }
}

function formatOf({ output_config: output }: CountTokensRequest): AnswerFormat | null {
  const format = output?.format;
  return format ? { schema: format.schema, field: 'output_config.format.schema' } : null;
}

/**
 * The conversation. Messages of one side in a row become one, as Anthropic's documentation has it; tool results become
 * messages of their own.
 */
function conversationOf({ system, messages }: CountTokensRequest): ChatMessage[] {
  const turns = messages.flatMap((message, index) => messagesOf(message, `messages[${index}]`));
  return [...systemMessage(system), ...turns].reduce<ChatMessage[]>(append, []);
}

function messagesOf({ role, content }: AnthropicMessage, field: string): ChatMessage[] {
  switch (role) {
    case 'user':
      return userMessages(content, field);
    case 'assistant':
      return [assistantMessage(content)];
    case 'system':
      return systemMessage(content);
  }
}

function systemMessage(system: string | readonly TextBlock[] | null | undefined): ChatMessage[] {
  const content =
    typeof system === 'string' ? system : (system ?? []).map(({ text }) => text).join('\n\n');
  return content === '' ? [] : [{ role: 'system', content }];
}

function userMessages(content: string | readonly UserBlock[], field: string): ChatMessage[] {
  if (typeof content === 'string') {
    return [{ role: 'user', content: [{ type: 'text', text: content }] }];
  }
  return content.map((block, index): ChatMessage => {
    const place = `${field}.content[${index}]`;
    if (block.type !== 'tool_result') return { role: 'user', content: [toPart(block, place)] };
    return {
      role: 'tool',
      toolCallId: block.tool_use_id,
      toolCallIdField: `${place}.tool_use_id`,
      content: resultText(block),
    };
  });
}

function toPart(block: Exclude<UserBlock, { type: 'tool_result' }>, field: string): ContentPart {
  if (block.type === 'text') return { type: 'text', text: block.text };
  const { source } = block;
  const url =
    source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`;
  return { type: 'image', source: url, detail: 'auto', field };
}

function resultText(block: Extract<UserBlock, { type: 'tool_result' }>): string {
  const { content } = block;
  const text =
    typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join('');
  return block.is_error === true ? `Error: ${text}` : text;
}

function assistantMessage(content: string | readonly AssistantBlock[]): ChatMessage {
  if (typeof content === 'string') return { role: 'assistant', content };
  const textsOf = (read: (block: AssistantBlock) => string): string => content.map(read).join('');
  const reasoning = textsOf((block) => (block.type === 'thinking' ? block.thinking : ''));
  const calls = content.filter((block) => block.type === 'tool_use');
  return {
    role: 'assistant',
    content: textsOf((block) => (block.type === 'text' ? block.text : '')),
    ...(reasoning !== '' && { reasoning }),
    ...(calls.length > 0 && {
      toolCalls: calls.map(({ id, name, input }) => ({ id, name, arguments: input })),
    }),
  };
}

function append(messages: ChatMessage[], message: ChatMessage): ChatMessage[] {
  const last = messages.at(-1);
  const merged =
    last === undefined ? null : (mergeUsers(last, message) ?? mergeAssistants(last, message));
  return merged === null ? [...messages, message] : [...messages.slice(0, -1), merged];
}

/** @returns null unless both are messages of the user */
function mergeUsers(first: ChatMessage, second: ChatMessage): ChatMessage | null {
  if (first.role !== 'user' || second.role !== 'user') return null;
  return { role: 'user', content: [...partsOf(first), ...partsOf(second)] };
}

function partsOf({ content }: ChatMessage): readonly ContentPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}
