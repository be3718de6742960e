import type { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ApiError } from '../../http/errors.ts';
import { eventStreamSchema, sendEventStream } from '../../http/event-stream.ts';
import { observationOf, observeRequests } from '../../http/exchange.ts';
import type { RouteContext } from '../../http/route-context.ts';
import { type Exchange, promptTokens, startGeneration } from '../../request/start-generation.ts';
import type { ModeWord } from '../../request/thinking-controls.ts';
import { collectWhole } from '../collect-whole.ts';
import { errorSchema } from '../openai-chat/response-schema.ts';
import { thinkingHeadersSchema } from '../openai-chat/thinking-fields.ts';
import { parseResponse } from './parse-response.ts';
import { toResponse } from './reply-parts.ts';
import { type ResponseObject, responseSchema } from './reply-schema.ts';
import { ResponseStream } from './response-stream.ts';
import {
  inputTokensRequestSchema,
  type ResponsesRequest,
  responsesRequestSchema,
} from './responses-schema.ts';

const createSchema = {
  operationId: 'createResponse',
  summary: "Answer a conversation, in the shapes of OpenAI's Responses API; nothing is kept.",
  tags: ['responses'],
  headers: thinkingHeadersSchema,
  body: responsesRequestSchema,
  response: {
    200: {
      description: 'The response; with `stream`, server-sent events (ResponseEvent).',
      content: {
        'application/json': { schema: responseSchema },
        'text/event-stream': {
          schema: eventStreamSchema('ResponseEvent', 'One ResponseEvent per event.'),
        },
      },
    },
    '4xx': errorSchema,
    '5xx': errorSchema,
  },
};

/** POST /v1/responses. */
export function responsesRoute(context: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    observeRequests(app, context);
    app.post('/v1/responses', { schema: createSchema }, (request, reply) => {
      const { body, headers } = request;
      const asked = { body, header: headers['x-thinking-mode'] ?? null };
      return createResponse(asked, { reply, observation: observationOf(request) }, context);
    });
  };
}

const countSchema = {
  operationId: 'countResponseTokens',
  summary: 'Count the tokens of the prompt of a response.',
  tags: ['responses'],
  headers: thinkingHeadersSchema,
  body: inputTokensRequestSchema,
  response: {
    200: z
      .object({ object: z.literal('response.input_tokens'), input_tokens: z.int() })
      .meta({ id: 'InputTokens' }),
    '4xx': errorSchema,
    '5xx': errorSchema,
  },
};

/** POST /v1/responses/input_tokens. */
export function inputTokensRoute(context: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/v1/responses/input_tokens',
      { schema: countSchema },
      async ({ body, headers }, reply) => {
        const call = { chat: parseResponse(body), header: headers['x-thinking-mode'] ?? null };
        const { length } = await promptTokens(call, reply, context);
        return { object: 'response.input_tokens' as const, input_tokens: length };
      },
    );
  };
}

const KEPT = [
  { method: 'GET', path: '' },
  { method: 'DELETE', path: '' },
  { method: 'GET', path: '/input_items' },
  { method: 'POST', path: '/cancel' },
] as const;

const keptSchema = { hide: true, params: z.object({ id: z.string() }) };

/** The routes of stored responses. The server stores none, so each is a 404 that says so. */
export const keptResponsesRoute: FastifyPluginAsyncZod = async (app) => {
  for (const { method, path } of KEPT) {
    app.route({
      method,
      url: `/v1/responses/:id${path}`,
      schema: keptSchema,
      handler: ({ params }) => {
        const shown = JSON.stringify(params.id.slice(0, 100));
        throw new ApiError(
          'response_not_found',
          `There is no response ${shown}: this server keeps nothing. Send the conversation as \`input\` instead.`,
          { param: 'id' },
        );
      },
    });
  }
};

interface Asked {
  readonly body: ResponsesRequest;
  readonly header: ModeWord | null;
}

async function createResponse(
  { body, header }: Asked,
  exchange: Exchange,
  context: RouteContext,
): Promise<ResponseObject | Readable> {
  const call = { chat: parseResponse(body), header, idPrefix: 'resp' };
  const started = await startGeneration(call, exchange, context);
  const { completion } = started;
  if (body.stream === true) {
    const writer = new ResponseStream({ asked: body, completion });
    return sendEventStream(started, { ...exchange, writer }, context);
  }
  const [whole] = await collectWhole(started, exchange);
  return toResponse(whole, { asked: body, completion });
}
