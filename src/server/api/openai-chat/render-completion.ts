import type { TokenEvent, TokenUsage } from '../../../engine/generation.ts';
import { logprobsOf, type TokenLogprobs } from '../../reply/logprobs.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import { usageOfChoices } from '../../reply/reply-events.ts';
import type { WholeReply } from '../../reply/whole-reply.ts';
import { toThinkingReport } from '../thinking-report.ts';
import type { ChatCompletion, ChoiceLogprobs, LogprobEntry, Usage } from './response-schema.ts';

type Choice = ChatCompletion['choices'][number];

/** Renders a whole reply as a chat completion. */
export function toCompletion(
  choices: readonly WholeReply[],
  context: ReplyContext,
): ChatCompletion {
  return {
    ...context.identity,
    object: 'chat.completion',
    choices: choices.map((choice, index) => ({ index, ...toChoice(choice, context) })),
    usage: toUsage(usageOfChoices(choices.map(({ finish }) => finish.usage))),
  };
}

export function toChoice(reply: WholeReply, context: ReplyContext): Omit<Choice, 'index'> {
  const { tokens, finish } = reply;
  return {
    message: toMessage(reply),
    logprobs: context.request.topLogprobs === null ? null : toChoiceLogprobs(tokens, context),
    finish_reason: finish.reason,
    stop_reason: finish.stopString,
    thinking: toThinkingReport(finish, context),
  };
}

/** A reply that consists of calls only has no content. */
function toMessage({ reasoning, content, toolCalls }: WholeReply): Choice['message'] {
  const thinking = reasoning || null;
  return {
    role: 'assistant',
    content: content === '' && toolCalls.length > 0 ? null : content,
    refusal: null,
    reasoning_content: thinking,
    reasoning: thinking,
    ...(toolCalls.length > 0 && {
      tool_calls: toolCalls.map(({ id, name, arguments: text }) => ({
        id,
        type: 'function' as const,
        function: { name, arguments: text },
      })),
    }),
  };
}

export function toUsage({
  promptTokens,
  cachedTokens,
  imageTokens,
  completionTokens,
  reasoningTokens,
}: TokenUsage): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: {
      cached_tokens: cachedTokens,
      image_tokens: imageTokens,
      text_tokens: promptTokens - imageTokens,
    },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}

/** Entries of the tokens that are shown, each in the list of the field that has its text. */
export function toChoiceLogprobs(
  tokens: readonly TokenEvent[],
  context: Pick<ReplyContext, 'display' | 'tokens'>,
): ChoiceLogprobs {
  const shown = tokens.flatMap((token) => logprobsOf(token, context) ?? []);
  const entriesOf = (wanted: TokenLogprobs['field']): LogprobEntry[] =>
    shown
      .filter(({ field }) => field === wanted)
      .map(({ token, logprob, bytes, top }) => ({ token, logprob, bytes, top_logprobs: [...top] }));
  return {
    content: entriesOf('content'),
    refusal: null,
    reasoning_content: entriesOf('reasoning'),
  };
}
