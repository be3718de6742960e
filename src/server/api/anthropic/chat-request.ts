import type { EffortBudgets } from '../../request/thinking-policy.ts';
import type { TranslatedRequest } from '../../request/translated-request.ts';
import { nameBelowTurn, type Turn } from '../../request/turns.ts';
import type { ChatCompletionRequest } from '../openai-chat/request-schema.ts';
import { toTurns } from './conversation.ts';
import type { CountTokensRequest, MessagesRequest } from './messages-schema.ts';

/** The same request in the terms of a chat. */
export function toChatRequest(
  request: MessagesRequest | CountTokensRequest,
  effortBudgets: EffortBudgets,
): TranslatedRequest {
  const turns = toTurns(request.system, request.messages);
  const continues = turns.at(-1)?.message.role === 'assistant';
  const body: ChatCompletionRequest = {
    model: request.model,
    messages: turns.map(({ message }) => message),
    ...(continues && { continue_final_message: true }),
    ...thinkingOf(request, effortBudgets),
    ...toolsOf(request),
    ...formatOf(request),
    ...('max_tokens' in request && samplingOf(request)),
  };
  return { body, fieldName: (field) => nameInMessages(field, turns) };
}

/** Whether the caller spoke of thinking, and so will not be surprised by blocks of it. */
export function asksAboutThinking({
  thinking,
  output_config: output,
}: CountTokensRequest): boolean {
  return (thinking ?? null) !== null || (output?.effort ?? null) !== null;
}

type ThinkingPart = Pick<
  ChatCompletionRequest,
  'thinking' | 'reasoning_effort' | 'thinking_budget'
>;

/** An effort is a budget; it makes nobody think who need not. */
function thinkingOf(
  { thinking, output_config: output }: CountTokensRequest,
  effortBudgets: EffortBudgets,
): ThinkingPart {
  const effort = output?.effort ?? null;
  const type = thinking?.type ?? null;
  const control: ThinkingPart =
    thinking?.type === 'enabled'
      ? { thinking: { type: 'enabled', budget_tokens: thinking.budget_tokens } }
      : type === null
        ? {}
        : { thinking: { type } };
  if (effort === null) return control;
  if (type === 'enabled' || type === 'disabled') return { ...control, reasoning_effort: effort };
  return { ...control, thinking_budget: effortBudgets[effort] };
}

type ToolPart = Pick<ChatCompletionRequest, 'tools' | 'tool_choice' | 'parallel_tool_calls'>;

function toolsOf({ tools, tool_choice: choice }: CountTokensRequest): ToolPart {
  const isSingle =
    choice && 'disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use === true;
  return {
    ...(tools && {
      tools: tools.map(({ name, description, strict, input_schema: parameters }) => ({
        type: 'function' as const,
        function: { name, description, strict, parameters },
      })),
    }),
    ...(choice && { tool_choice: choiceOf(choice) }),
    ...(isSingle && { parallel_tool_calls: false }),
  };
}

function choiceOf(
  choice: NonNullable<CountTokensRequest['tool_choice']>,
): ChatCompletionRequest['tool_choice'] {
  switch (choice.type) {
    case 'auto':
    case 'none':
      return choice.type;
    case 'any':
      return 'required';
    case 'tool':
      return { type: 'function', function: { name: choice.name } };
  }
}

function formatOf({
  output_config: output,
}: CountTokensRequest): Pick<ChatCompletionRequest, 'response_format'> {
  const format = output?.format;
  if (!format) return {};
  const { type, schema } = format;
  return { response_format: { type, json_schema: { name: 'output', schema } } };
}

function samplingOf(request: MessagesRequest): Partial<ChatCompletionRequest> {
  const { stop_sequences: stop } = request;
  return {
    max_tokens: request.max_tokens,
    stream: request.stream,
    temperature: request.temperature,
    top_p: request.top_p,
    top_k: request.top_k,
    ...(stop && stop.length > 0 && { stop }),
  };
}

const NAMES: Readonly<Record<string, string>> = {
  continue_final_message: 'messages',
  reasoning_effort: 'output_config.effort',
  thinking_budget: 'output_config.effort',
  thinking_mode: 'thinking.type',
  stop: 'stop_sequences',
  parallel_tool_calls: 'tool_choice.disable_parallel_tool_use',
  'tool_choice.function.name': 'tool_choice.name',
};

function nameInMessages(field: string, turns: readonly Turn[]): string {
  const renameRest = (rest: string): string => rest.replace('.tool_call_id', '.tool_use_id');
  const known = NAMES[field] ?? nameBelowTurn(field, turns, renameRest);
  if (known !== null) return known;
  return field
    .replace(/^(tools\[\d+\])\.function\.parameters/, '$1.input_schema')
    .replace(/^(tools\[\d+\])\.function/, '$1')
    .replace(/^response_format(\.json_schema)?/, 'output_config.format');
}
