import {
  type ChatCompletionRequest,
  chatCompletionRequestSchema,
} from '../api/openai-chat/request-schema.ts';
import type { RouteContext } from '../http/route-context.ts';
import { assertValid } from '../http/validation.ts';
import { promptTokens } from './prompt-tokens.ts';
import {
  type Exchange,
  type GenerationCall,
  type StartedGeneration,
  startGeneration,
} from './start-generation.ts';
import { renamed } from './translated-error.ts';

/** Another endpoint's request in the words of the chat endpoint. */
export interface TranslatedRequest {
  readonly body: ChatCompletionRequest;
  /** The caller's own name of a field of `body`. */
  readonly fieldName: (field: string) => string;
}

export interface TranslatedCall extends Omit<GenerationCall, 'body'> {
  readonly request: TranslatedRequest;
}

/**
 * Starts what a translated request asks for.
 * @throws as `startGeneration`, in the words of the caller's endpoint
 */
export function startTranslated(
  { request, ...call }: TranslatedCall,
  exchange: Exchange,
  context: RouteContext,
): Promise<StartedGeneration> {
  return inCallersWords(request, (body) => startGeneration({ ...call, body }, exchange, context));
}

/** Tokens of the prompt that a translated request would begin from. */
export async function countTranslated(
  { request, header }: Omit<TranslatedCall, 'idPrefix'>,
  { reply }: Pick<Exchange, 'reply'>,
  context: RouteContext,
): Promise<number> {
  const tokens = await inCallersWords(request, (body) =>
    promptTokens({ body, header }, reply, context),
  );
  return tokens.length;
}

async function inCallersWords<T>(
  { body, fieldName }: TranslatedRequest,
  run: (body: ChatCompletionRequest) => Promise<T>,
): Promise<T> {
  try {
    // What a chat refuses in a conversation is refused here too.
    return await run(assertValid(chatCompletionRequestSchema, body));
  } catch (error) {
    throw renamed(error, fieldName);
  }
}
