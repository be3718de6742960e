import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { disconnectSignal } from '../disconnect-signal.ts';
import { ApiError } from '../errors.ts';
import { prepareGeneration } from '../generation-request.ts';
import { modeOfName } from '../model-names.ts';
import { errorSchema } from '../response-schema.ts';
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
  const { tokenizer, engine } = context.model;
  const alias = modeOfName(body.model ?? context.model.id, context.model);
  const tokens =
    body.prompt === undefined
      ? await conversationTokens({ body, alias }, reply, context)
      : tokenizer.encode(body.prompt);
  return {
    count: tokens.length,
    max_model_len: engine.limits.slotCapacity,
    tokens,
    token_strs: body.return_token_strs === true ? tokens.map(tokenizer.spelling) : null,
  };
}

interface Asked {
  readonly body: TokenizeRequest;
  readonly alias: ReturnType<typeof modeOfName>;
}

/** The prompt that a chat with these messages would have. */
async function conversationTokens(
  { body, alias }: Asked,
  reply: FastifyReply,
  { model, settings, loadBias }: RouteContext,
): Promise<number[]> {
  const chat = {
    model: model.id,
    messages: body.messages ?? [],
    continue_final_message: body.continue_final_message,
    thinking_mode: body.thinking_mode,
    chat_template_kwargs: body.chat_template_kwargs,
    reasoning_effort: body.reasoning_effort,
  };
  const { request } = await prepareGeneration(
    { body: chat, alias, header: null },
    {
      id: randomUUID(),
      model,
      settings,
      loadBias: loadBias(),
      signal: disconnectSignal(reply),
    },
  );
  return [...request.promptTokenIds];
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
