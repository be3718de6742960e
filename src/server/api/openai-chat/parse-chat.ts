import {
  CHAT_CONVERSATION_FIELDS,
  type ChatMessage,
  type ChatToolCall,
  type ContentPart,
} from '../../prompt/messages.ts';
import { objectOf } from '../../reply/tool-calls/whole-call.ts';
import type {
  AnswerFormat,
  ChatRequest,
  FieldNames,
  GenerationFields,
  SamplingFields,
  ToolChoice,
  ToolsRequest,
} from '../../request/chat-request.ts';
import { checkToolResults } from '../../request/tools.ts';
import type { WireMessage, WirePart, WireToolCall } from './message-schema.ts';
import type { ChatCompletionRequest } from './request-schema.ts';
import { readDisplay, readThinking } from './thinking-fields.ts';
import type { ToolFields } from './tool-fields.ts';

type Body = ChatCompletionRequest;

const FIELDS: FieldNames = {
  ...CHAT_CONVERSATION_FIELDS,
  maxTokens: 'max_tokens',
  format: 'response_format',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'parallel_tool_calls',
};

/**
 * Reads the body of a chat completion.
 * @throws ApiError naming two fields that contradict, or a tool result without its call
 */
export function parseChat(body: Body): ChatRequest {
  const chat = readChat(body);
  checkToolResults(chat.messages);
  return chat;
}

/** Reads the same body without a look at its tool results: they do not matter to a count of tokens. */
export function readChat(body: Body): ChatRequest {
  return {
    ...generationFields(body),
    topLogprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : null,
    model: body.model,
    messages: body.messages.map(toChatMessage),
    continuesFinal: body.continue_final_message === true,
    thinking: readThinking(body),
    display: readDisplay(body),
    tools: toolsOf(body),
    format: formatOf(body),
    fields: FIELDS,
  };
}

/** Fields that chat completions and completions have in common. */
type GenerationBody = Pick<
  Body,
  | 'frequency_penalty'
  | 'logit_bias'
  | 'min_p'
  | 'min_tokens'
  | 'n'
  | 'presence_penalty'
  | 'priority'
  | 'repetition_penalty'
  | 'seed'
  | 'stop'
  | 'stop_token_ids'
  | 'stream'
  | 'temperature'
  | 'timeout'
  | 'top_k'
  | 'top_p'
> &
  Pick<Partial<Body>, 'max_completion_tokens' | 'max_tokens'>;

export function generationFields(body: GenerationBody): Omit<GenerationFields, 'topLogprobs'> {
  return {
    stream: body.stream === true,
    numChoices: body.n ?? null,
    limits: {
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
      minTokens: body.min_tokens ?? 0,
      stop: typeof body.stop === 'string' ? [body.stop] : (body.stop ?? []),
      stopTokenIds: body.stop_token_ids ?? [],
      timeoutMs: typeof body.timeout === 'number' ? body.timeout * 1000 : null,
      priority: body.priority ?? 0,
    },
    sampling: samplingOf(body),
  };
}

function samplingOf(body: GenerationBody): SamplingFields {
  return {
    temperature: body.temperature ?? null,
    topP: body.top_p ?? null,
    topK: body.top_k ?? null,
    minP: body.min_p ?? null,
    repetitionPenalty: body.repetition_penalty ?? null,
    presencePenalty: body.presence_penalty ?? null,
    frequencyPenalty: body.frequency_penalty ?? null,
    logitBias: body.logit_bias ?? {},
    seed: body.seed ?? null,
  };
}

function toolsOf({
  tools,
  tool_choice: choice,
  parallel_tool_calls: parallel,
}: Body): ToolsRequest {
  return {
    tools: (tools ?? []).map(({ function: tool }, index) => {
      const { name, description, parameters, strict } = tool;
      const field = `tools[${index}].function`;
      return {
        name,
        description: description ?? undefined,
        parameters: parameters ?? undefined,
        strict: strict === true,
        fields: { name: `${field}.name`, parameters: `${field}.parameters` },
      };
    }),
    choice: choice ? choiceOf(choice) : null,
    parallel: parallel ?? null,
  };
}

function choiceOf(choice: NonNullable<ToolFields['tool_choice']>): ToolChoice {
  if (typeof choice === 'string') return { type: choice };
  if (choice.type === 'function') {
    const named = { name: choice.function.name, field: 'tool_choice.function.name' };
    return { type: 'allowed', tools: [named], required: true };
  }
  const { mode, tools } = choice.allowed_tools;
  return {
    type: 'allowed',
    tools: tools.map(({ function: { name } }, index) => ({
      name,
      field: `tool_choice.allowed_tools.tools[${index}].function.name`,
    })),
    required: mode === 'required',
  };
}

function formatOf({ response_format: format }: Body): AnswerFormat | null {
  if (!format || format.type === 'text') return null;
  const field = 'response_format.json_schema.schema';
  if (format.type === 'json_object') return { schema: null, field };
  return { schema: format.json_schema.schema ?? null, field };
}

/** `developer` is OpenAI's newer name of `system`; `reasoning_content` and `reasoning` are two names of one field. */
function toChatMessage(message: WireMessage): ChatMessage {
  const content = toContent(message.content ?? null);
  const named = typeof message.name === 'string' ? { name: message.name } : {};
  switch (message.role) {
    case 'user':
    case 'system':
    case 'developer':
      return { role: message.role === 'user' ? 'user' : 'system', content, ...named };
    case 'tool':
      return { role: 'tool', content, toolCallId: message.tool_call_id, ...named };
    case 'assistant': {
      const reasoning = message.reasoning_content ?? message.reasoning ?? undefined;
      const calls = message.tool_calls ?? [];
      const toolCalls = calls.length === 0 ? {} : { toolCalls: calls.map(toToolCall) };
      return { role: 'assistant', content, reasoning, ...toolCalls, ...named };
    }
  }
}

function toToolCall({ id, function: call }: WireToolCall): ChatToolCall {
  return { id, name: call.name, arguments: objectOf(call.arguments) ?? {} };
}

function toContent(content: string | readonly WirePart[] | null): ChatMessage['content'] {
  if (content === null) return '';
  return typeof content === 'string' ? content : content.map(toPart);
}

function toPart(part: WirePart): ContentPart {
  return part.type === 'text'
    ? { type: 'text', text: part.text }
    : { type: 'image', source: part.image_url.url, detail: part.image_url.detail ?? 'auto' };
}
