import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { eventStreamSchema, sendEventStream } from '../../http/event-stream.ts';
import { observationOf, observeRequests } from '../../http/exchange.ts';
import type { RouteContext } from '../../http/route-context.ts';
import { type Exchange, promptTokens, startGeneration } from '../../request/start-generation.ts';
import type { ModeWord } from '../../request/thinking-controls.ts';
import { collectWhole } from '../collect-whole.ts';
import { thinkingHeadersSchema } from '../openai-chat/thinking-fields.ts';
import { MessageStream } from './message-stream.ts';
import {
  countTokensRequestSchema,
  type MessagesRequest,
  messagesRequestSchema,
} from './messages-schema.ts';
import { asksAboutThinking, parseMessages } from './parse-messages.ts';
import { type ThinkingDisplay, toMessage } from './reply-parts.ts';
import { type AnthropicReply, anthropicErrorSchema, anthropicReplySchema } from './reply-schema.ts';

const messagesSchema = {
  operationId: 'createMessage',
  summary: "Answer a conversation, in the shapes of Anthropic's Messages API.",
  tags: ['messages'],
  headers: thinkingHeadersSchema,
  body: messagesRequestSchema,
  response: {
    200: {
      description: 'The message; with `stream`, server-sent events (AnthropicEvent).',
      content: {
        'application/json': { schema: anthropicReplySchema },
        'text/event-stream': {
          schema: eventStreamSchema('AnthropicEvent', 'One AnthropicEvent per event.'),
        },
      },
    },
    '4xx': anthropicErrorSchema,
    '5xx': anthropicErrorSchema,
  },
};

const countSchema = {
  operationId: 'countMessageTokens',
  summary: 'Count the tokens of the prompt of a message.',
  tags: ['messages'],
  headers: thinkingHeadersSchema,
  body: countTokensRequestSchema,
  response: {
    200: z.object({ input_tokens: z.int() }).meta({ id: 'AnthropicTokenCount' }),
    '4xx': anthropicErrorSchema,
    '5xx': anthropicErrorSchema,
  },
};

const config = { errors: 'anthropic' } as const;

/** POST /v1/messages, in the shapes of Anthropic's API. */
export function messagesRoute(context: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    observeRequests(app, context);
    nameRequests(app);
    app.post('/v1/messages', { schema: messagesSchema, config }, (request, reply) => {
      const { body, headers } = request;
      const asked = { body, header: headers['x-thinking-mode'] ?? null };
      return createMessage(asked, { reply, observation: observationOf(request) }, context);
    });
  };
}

/** POST /v1/messages/count_tokens. */
export function countTokensRoute(context: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    nameRequests(app);
    app.post(
      '/v1/messages/count_tokens',
      { schema: countSchema, config },
      async ({ body, headers }, reply) => {
        const chat = parseMessages(body, context.settings.thinking.effortBudgets);
        const call = { chat, header: headers['x-thinking-mode'] ?? null };
        const { length } = await promptTokens(call, reply, context);
        return { input_tokens: length };
      },
    );
  };
}

/** Anthropic's clients read the id of the request from their own header. */
function nameRequests(app: Pick<FastifyInstance, 'addHook'>): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('request-id', request.id);
  });
}

interface Asked {
  readonly body: MessagesRequest;
  readonly header: ModeWord | null;
}

async function createMessage(
  { body, header }: Asked,
  exchange: Exchange,
  context: RouteContext,
): Promise<AnthropicReply | Readable> {
  const chat = parseMessages(body, context.settings.thinking.effortBudgets);
  const call = { chat, header, idPrefix: 'msg' };
  const started = await startGeneration(call, exchange, context);
  const { completion } = started;
  const display = thinkingDisplay({ body, header }, context);
  if (body.stream === true) {
    const writer = new MessageStream(completion, display);
    return sendEventStream(started, { ...exchange, writer }, context);
  }
  const [whole] = await collectWhole(started, exchange);
  return toMessage(whole, completion, display);
}

/** Clients that do not mention thinking may not know thinking blocks, and often read the first block as the answer. */
function thinkingDisplay({ body, header }: Asked, { model }: RouteContext): ThinkingDisplay {
  const { thinking } = body;
  if (thinking && 'display' in thinking && thinking.display === 'omitted') return 'omitted';
  const isNamed = header !== null || body.model !== model.id;
  return isNamed || asksAboutThinking(body) ? 'whole' : 'hidden';
}
