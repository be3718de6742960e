import type { ChatCompletionRequest } from '../request-schema.ts';
import type { TranslatedRequest } from '../translated-request.ts';
import { nameBelowTurn } from '../turns.ts';
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
  };
  return {
    body,
    fieldName: (field) => nameBelowTurn(field, turns, renameRest) ?? nameOfField(field),
  };
}

function toolsOf({
  tools,
  tool_choice: choice,
}: ResponsesRequest): Pick<ChatCompletionRequest, 'tools' | 'tool_choice'> {
  return {
    ...(tools && {
      tools: tools.map(({ type, ...described }) => ({ type, function: described })),
    }),
    ...(choice && { tool_choice: choice }),
  };
}

const NAMES: Readonly<Record<string, string>> = {
  messages: 'input',
  max_completion_tokens: 'max_output_tokens',
  reasoning_effort: 'reasoning.effort',
  logprobs: 'include',
};

function nameOfField(field: string): string {
  return NAMES[field] ?? field.replace(/^(tools\[\d+\])\.function/, '$1');
}

function renameRest(rest: string): string {
  return rest
    .replace('.tool_call_id', '.call_id')
    .replace(/^\.tool_calls\[\d+\](?:\.function)?/, '');
}
