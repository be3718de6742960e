import type { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { eventStreamSchema, sendEventStream } from '../../http/event-stream.ts';
import { observationOf, observeRequests } from '../../http/exchange.ts';
import type { RouteContext } from '../../http/route-context.ts';
import { type Exchange, startGeneration } from '../../request/start-generation.ts';
import type { ModeWord } from '../../request/thinking-controls.ts';
import { collectWhole } from '../collect-whole.ts';
import { answerByStrategy } from './answer-by-strategy.ts';
import { ChunkStream } from './chunk-stream.ts';
import { parseChat } from './parse-chat.ts';
import { toCompletion } from './render-completion.ts';
import { type ChatCompletionRequest, chatCompletionRequestSchema } from './request-schema.ts';
import { type ChatCompletion, chatCompletionSchema, errorSchema } from './response-schema.ts';
import { thinkingHeadersSchema } from './thinking-fields.ts';

const schema = {
  operationId: 'createChatCompletion',
  summary: 'Answer a conversation, with or without thinking.',
  tags: ['chat'],
  headers: thinkingHeadersSchema,
  body: chatCompletionRequestSchema,
  response: {
    200: {
      description:
        'The completion; with `stream`, chunks (ChatCompletionChunk) as server-sent events.',
      content: {
        'application/json': { schema: chatCompletionSchema },
        'text/event-stream': {
          schema: eventStreamSchema(
            'ChatCompletionChunk',
            'One ChatCompletionChunk per event, then `[DONE]`.',
          ),
        },
      },
    },
    '4xx': errorSchema,
    '5xx': errorSchema,
  },
};

/** POST /v1/chat/completions. */
export function chatCompletionsRoute(context: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    observeRequests(app, context);
    app.post('/v1/chat/completions', { schema }, (request, reply) => {
      const { body, headers } = request;
      const asked = { body, header: headers['x-thinking-mode'] ?? null };
      return createChatCompletion(asked, { reply, observation: observationOf(request) }, context);
    });
  };
}

async function createChatCompletion(
  { body, header }: { readonly body: ChatCompletionRequest; readonly header: ModeWord | null },
  exchange: Exchange,
  context: RouteContext,
): Promise<ChatCompletion | Readable> {
  const call = { chat: parseChat(body), header, idPrefix: 'chatcmpl' };
  const { strategy } = body;
  if (strategy) return answerByStrategy(strategy, call, exchange, context);
  const started = await startGeneration(call, exchange, context);
  const { completion } = started;
  if (body.stream === true) {
    const includeUsage = body.stream_options?.include_usage === true;
    const writer = new ChunkStream(completion, includeUsage);
    return sendEventStream(started, { ...exchange, writer }, context);
  }
  return toCompletion(await collectWhole(started, exchange), completion);
}
