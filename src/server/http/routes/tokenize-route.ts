import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { readChat } from '../../api/openai-chat/parse-chat.ts';
import { errorSchema } from '../../api/openai-chat/response-schema.ts';
import type { ChatRequest } from '../../request/chat-request.ts';
import { promptTokens } from '../../request/start-generation.ts';
import { ApiError } from '../errors.ts';
import { modeOfName } from '../model-names.ts';
import type { RouteContext } from '../route-context.ts';
import {
  detokenizeReplySchema,
  detokenizeRequestSchema,
  type TokenizeRequest,
  tokenizeReplySchema,
  tokenizeRequestSchema,
} from '../tokenize-schema.ts';

const tokenizeSchema = {
  operationId: 'tokenize',
  summary: 'The tokens of a text or of a conversation.',
  tags: ['tokens'],
  body: tokenizeRequestSchema,
  response: { 200: tokenizeReplySchema, '4xx': errorSchema, '5xx': errorSchema },
};

const detokenizeSchema = {
  operationId: 'detokenize',
  summary: 'The text of some tokens.',
  tags: ['tokens'],
  body: detokenizeRequestSchema,
  response: { 200: detokenizeReplySchema, '4xx': errorSchema, '5xx': errorSchema },
};

/** POST /tokenize and POST /detokenize, in vLLM's shapes. */
export function tokenizeRoute(context: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post('/tokenize', { schema: tokenizeSchema }, (request, reply) =>
      tokenize(request.body, reply, context),
    );
    app.post('/detokenize', { schema: detokenizeSchema }, async (request) => {
      const { model: name, tokens } = request.body;
      const { model } = context;
      if (typeof name === 'string') modeOfName(name, model);
      assertKnown(tokens, model.engine.limits.vocabSize);
      return { prompt: model.tokenizer.decode(tokens) };
    });
  };
}

async function tokenize(
  body: TokenizeRequest,
  reply: FastifyReply,
  context: RouteContext,
): Promise<z.output<typeof tokenizeReplySchema>> {
  const { model } = context;
  const { tokenizer, engine } = model;
  const name = body.model ?? model.id;
  modeOfName(name, model);
  const tokens =
    body.prompt === undefined
      ? [...(await promptTokens({ chat: chatOf(body, name), header: null }, reply, context))]
      : tokenizer.encode(body.prompt);
  return {
    count: tokens.length,
    max_model_len: engine.limits.slotCapacity,
    tokens,
    token_strs: body.return_token_strs === true ? tokens.map(tokenizer.spelling) : null,
  };
}

/** The chat request whose prompt is wanted. */
function chatOf({ messages = [], ...body }: TokenizeRequest, model: string): ChatRequest {
  return readChat({
    model,
    messages,
    continue_final_message: body.continue_final_message,
    thinking_mode: body.thinking_mode,
    chat_template_kwargs: body.chat_template_kwargs,
    reasoning_effort: body.reasoning_effort,
    tools: body.tools,
  });
}

function assertKnown(tokens: readonly number[], vocabSize: number): void {
  const index = tokens.findIndex((tokenId) => tokenId >= vocabSize);
  if (index < 0) return;
  throw new ApiError(
    'invalid_value',
    `\`tokens[${index}]\` must be less than ${vocabSize}, the size of the vocabulary; got ${tokens[index]}.`,
    { param: `tokens[${index}]` },
  );
}
