import type { TranslatedRequest } from '../../request/translated-request.ts';
import { nameBelowTurn } from '../../request/turns.ts';
import type { ChatCompletionRequest } from '../openai-chat/request-schema.ts';
import { toTurns } from './input-turns.ts';
import type { ResponsesRequest } from './responses-schema.ts';

/** The same request in the terms of a chat. */
export function toChatRequest(request: ResponsesRequest): TranslatedRequest {
  const turns = toTurns(request.instructions, request.input);
  const wantsLogprobs = request.include?.includes('message.output_text.logprobs') === true;
  const body: ChatCompletionRequest = {
    model: request.model,
    messages: turns.map(({ message }) => message),
    stream: request.stream,
    max_completion_tokens: request.max_output_tokens,
    temperature: request.temperature,
    top_p: request.top_p,
    ...(wantsLogprobs && { logprobs: true, top_logprobs: request.top_logprobs ?? 0 }),
    reasoning_effort: request.reasoning?.effort,
    thinking_mode: request.thinking_mode,
    thinking_budget: request.thinking_budget,
    ...toolsOf(request),
    ...formatOf(request),
  };
  return {
    body,
    fieldName: (field) => nameBelowTurn(field, turns, renameRest) ?? nameOfField(field),
  };
}

type ToolPart = Pick<ChatCompletionRequest, 'tools' | 'tool_choice' | 'parallel_tool_calls'>;

function toolsOf({ tools, tool_choice: choice, ...request }: ResponsesRequest): ToolPart {
  return {
    ...(tools && {
      tools: tools.map(({ type, ...described }) => ({ type, function: described })),
    }),
    ...(choice && { tool_choice: choiceOf(choice) }),
    parallel_tool_calls: request.parallel_tool_calls,
  };
}

function choiceOf(
  choice: NonNullable<ResponsesRequest['tool_choice']>,
): ChatCompletionRequest['tool_choice'] {
  if (typeof choice === 'string') return choice;
  if (choice.type === 'function') return toNamed(choice);
  const { type, mode, tools } = choice;
  return { type, allowed_tools: { mode, tools: tools.map(toNamed) } };
}

function toNamed({ type, name }: { readonly type: 'function'; readonly name: string }) {
  return { type, function: { name } };
}

function formatOf({ text }: ResponsesRequest): Pick<ChatCompletionRequest, 'response_format'> {
  const format = text?.format;
  if (!format) return {};
  if (format.type !== 'json_schema') return { response_format: format };
  const { type, ...described } = format;
  return { response_format: { type, json_schema: described } };
}

const NAMES: Readonly<Record<string, string>> = {
  messages: 'input',
  max_completion_tokens: 'max_output_tokens',
  reasoning_effort: 'reasoning.effort',
  logprobs: 'include',
};

function nameOfField(field: string): string {
  const name = NAMES[field] ?? field;
  return name
    .replace(/^(tools\[\d+\])\.function/, '$1')
    .replace(/^tool_choice\.allowed_tools/, 'tool_choice')
    .replace(/^(tool_choice(?:\.tools\[\d+\])?)\.function/, '$1')
    .replace(/^response_format(\.json_schema)?/, 'text.format');
}

function renameRest(rest: string): string {
  return rest
    .replace('.tool_call_id', '.call_id')
    .replace(/^\.tool_calls\[\d+\](?:\.function)?/, '');
}
