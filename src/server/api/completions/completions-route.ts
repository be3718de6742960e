import type { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { eventStreamSchema, sendEventStream } from '../../http/event-stream.ts';
import { observationOf, observeRequests } from '../../http/exchange.ts';
import type { RouteContext } from '../../http/route-context.ts';
import type { Exchange } from '../../request/start-generation.ts';
import { errorSchema } from '../openai-chat/response-schema.ts';
import {
  type Completion,
  type CompletionRequest,
  completionRequestSchema,
  completionSchema,
} from './completions-schema.ts';
import { CompletionStream, collectCompletion } from './render-completion.ts';
import { startCompletion } from './start-completion.ts';

const schema = {
  operationId: 'createCompletion',
  summary: 'Go on with a text as it is, without chat template or thinking mode.',
  tags: ['completions'],
  body: completionRequestSchema,
  response: {
    200: {
      description: 'The completion; with `stream`, chunks (CompletionChunk) as server-sent events.',
      content: {
        'application/json': { schema: completionSchema },
        'text/event-stream': {
          schema: eventStreamSchema(
            'CompletionChunk',
            'One CompletionChunk per event, then `[DONE]`.',
          ),
        },
      },
    },
    '4xx': errorSchema,
    '5xx': errorSchema,
  },
};

/** POST /v1/completions. */
export function completionsRoute(context: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    observeRequests(app, context);
    app.post('/v1/completions', { schema }, async (request, reply) =>
      createCompletion(request.body, { reply, observation: observationOf(request) }, context),
    );
  };
}

async function createCompletion(
  body: CompletionRequest,
  exchange: Exchange,
  context: RouteContext,
): Promise<Completion | Readable> {
  const started = startCompletion(body, exchange, context);
  const echo = body.echo === true;
  if (body.stream === true) {
    const includeUsage = body.stream_options?.include_usage === true;
    const writer = new CompletionStream(started, { echo, includeUsage });
    return sendEventStream(started, { ...exchange, writer }, context);
  }
  const completion = await collectCompletion(started, echo);
  exchange.observation.end(200);
  exchange.reply.header('x-completion-id', completion.id);
  return completion;
}
