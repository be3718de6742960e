import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { errorSchema } from '../../api/openai-chat/response-schema.ts';
import { ApiError } from '../errors.ts';
import type { RouteContext } from '../route-context.ts';

const controlRequestSchema = z
  .strictObject({
    id: z
      .string()
      .min(1)
      .describe(
        'Id of the completion, from its chunks or headers. With -0, -1, ... appended, one of several choices.',
      ),
    action: z
      .enum(['answer_now', 'reasoning_end'])
      .describe('Two names for the same action: end the thinking and answer.'),
  })
  .meta({ id: 'ControlRequest' });

const controlReplySchema = z
  .object({
    id: z.string(),
    action: z.enum(['answer_now', 'reasoning_end']),
    success: z.literal(true),
  })
  .meta({ id: 'ControlReply' });

/** POST /v1/chat/completions/control: ends the thinking of a running completion. */
export function controlRoute({ model, running }: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/v1/chat/completions/control',
      {
        schema: {
          operationId: 'controlChatCompletion',
          summary: 'End the thinking of a running completion; its answer follows.',
          tags: ['chat'],
          body: controlRequestSchema,
          response: { 200: controlReplySchema, '4xx': errorSchema, '5xx': errorSchema },
        },
      },
      async function controlChatCompletion(request) {
        const { id, action } = request.body;
        const told = running.generationsOf(id).filter((each) => model.engine.answerNow(each));
        if (told.length === 0) {
          const shown = JSON.stringify(id.slice(0, 100));
          const message = `No completion ${shown} is running here; it may have ended.`;
          throw new ApiError('completion_not_found', message, { param: 'id' });
        }
        return { id, action, success: true as const };
      },
    );
  };
}
