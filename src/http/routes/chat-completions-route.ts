import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { EngineUnavailableError, type GenerationEvent } from '../../engine/generation.ts';
import { RequestObservation } from '../../observability/request-observation.ts';
import { collectCompletion } from '../collect-completion.ts';
import { type CompletionContext, thinkingHeaders, toFinishReason } from '../completion-parts.ts';
import { disconnectSignal } from '../disconnect-signal.ts';
import { eventStreamSchema } from '../event-stream-schema.ts';
import { prepareGeneration } from '../generation-request.ts';
import { modeOfName } from '../model-names.ts';
import { chatCompletionRequestSchema } from '../request-schema.ts';
import { type ChatCompletion, chatCompletionSchema, errorSchema } from '../response-schema.ts';
import type { RouteContext } from '../route-context.ts';
import { serverSentEvents } from '../server-sent-events.ts';
import { ChunkWriter } from '../stream-completion.ts';
import { modeWord } from '../thinking-fields.ts';
import type { ControlSource } from '../thinking-wishes.ts';
import { withPings } from '../with-pings.ts';

const NOT_READY_RETRY_SECONDS = 2;

const headersSchema = z.looseObject({
  'x-thinking-mode': modeWord
    .optional()
    .describe('The same as thinking_mode, for clients that cannot add a field.'),
});

const schema = {
  operationId: 'createChatCompletion',
  summary: 'Answer a conversation, with or without thinking.',
  tags: ['chat'],
  headers: headersSchema,
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
    app.addHook('onRequest', async (request) => {
      const { metrics, requestLog: log } = context;
      request.observation = new RequestObservation({ metrics, log, requestId: request.id });
    });
    app.post('/v1/chat/completions', { schema }, (request, reply) => {
      const { body, headers } = request;
      const asked = { body, header: headers['x-thinking-mode'] ?? null };
      return createChatCompletion(asked, { reply, observation: observationOf(request) }, context);
    });
  };
}

interface Exchange {
  readonly reply: FastifyReply;
  readonly observation: RequestObservation;
}

async function createChatCompletion(
  { body, header }: Omit<ControlSource, 'alias'>,
  { reply, observation }: Exchange,
  context: RouteContext,
): Promise<ChatCompletion | Readable> {
  const signal = disconnectSignal(reply);
  const { model, settings } = context;
  const alias = modeOfName(body.model, model);
  // Before the pictures are looked at: they are the dear part.
  if (model.engine.status().state !== 'ready') {
    throw new EngineUnavailableError('not_ready', NOT_READY_RETRY_SECONDS);
  }
  const id = `chatcmpl-${randomUUID().replaceAll('-', '')}`;
  const startedAt = performance.now();
  const prepared = await prepareGeneration(
    { body, alias, header },
    { id, model, settings, loadBias: context.loadBias(), signal },
  );
  const { request: generation, asked, display, tools } = prepared;
  const stream = body.stream === true;
  const prepareMs = performance.now() - startedAt;
  observation.prepared({ model: model.id, stream, request: generation, asked, prepareMs });
  const events = observation.watch(model.engine.generate(generation, signal));
  const completion: CompletionContext = {
    identity: { id, created: Math.floor(Date.now() / 1000), model: model.id },
    request: generation,
    requested: asked.requested,
    display,
    tags: model.manifest.thinking.tags,
    tools,
    tokens: model,
  };
  if (stream) {
    const includeUsage = body.stream_options?.include_usage === true;
    return streamCompletion(
      { events, completion, includeUsage, observation, signal, context },
      reply,
    );
  }
  const collected = await collectCompletion(events, completion);
  observation.end(200);
  reply.headers(thinkingHeaders(collected.decision, completion));
  return collected.completion;
}

interface StreamInput {
  readonly events: AsyncIterable<GenerationEvent>;
  readonly completion: CompletionContext;
  readonly includeUsage: boolean;
  readonly observation: RequestObservation;
  readonly signal: AbortSignal;
  readonly context: RouteContext;
}

/** Waits for the decision, which comes before any token, so that the headers can name it; never longer than a ping. */
async function streamCompletion(
  { events, includeUsage, completion, ...rest }: StreamInput,
  reply: FastifyReply,
): Promise<Readable> {
  const items = withPings(events, rest.context.settings.pingIntervalMs);
  const first = await items.next();
  const head = first.done === true || first.value === 'ping' ? undefined : first.value;
  if (head?.type === 'finish') {
    await items.return();
    toFinishReason(head, false);
  }
  reply.headers({
    ...thinkingHeaders(head?.type === 'decision' ? head : null, completion),
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
    'content-type': 'text/event-stream; charset=utf-8',
  });
  const writer = new ChunkWriter(completion, includeUsage);
  const stream = Readable.from(serverSentEvents({ first, items, writer, ...rest }));
  // A generator that was never started runs no `finally`: the client may have left before the first chunk.
  stream.once('close', () => {
    const gaveUp = (): void => rest.observation.end(499, 'client_closed_request');
    items.return().then(gaveUp, gaveUp);
  });
  return stream;
}

function observationOf(request: Pick<FastifyRequest, 'observation'>): RequestObservation {
  if (request.observation === null) throw new Error('The request is not observed.');
  return request.observation;
}
