import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { errorSchema } from '../../api/openai-chat/response-schema.ts';
import { ApiError } from '../errors.ts';
import { describeModel, modelSchema } from '../model-description.ts';
import { servedNames } from '../model-names.ts';
import type { RouteContext } from '../route-context.ts';

const modelListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(modelSchema),
    has_more: z.literal(false),
    first_id: z.string(),
    last_id: z.string(),
  })
  .meta({ id: 'ModelList' });

/** GET /v1/models and GET /v1/models/:id. */
export function modelsRoute(context: RouteContext): FastifyPluginAsyncZod {
  const { model, settings } = context;
  const names = servedNames(model, settings.thinking);
  return async (app) => {
    app.get(
      '/v1/models',
      {
        schema: {
          operationId: 'listModels',
          summary: 'The model served here, then its names with a thinking mode.',
          tags: ['models'],
          response: { 200: modelListSchema, '5xx': errorSchema },
        },
      },
      async function listModels() {
        return {
          object: 'list' as const,
          data: names.map((name) => describeModel(name, context)),
          has_more: false as const,
          first_id: model.id,
          last_id: names.at(-1)?.id ?? model.id,
        };
      },
    );
    app.get(
      '/v1/models/:id',
      {
        schema: {
          operationId: 'retrieveModel',
          summary: 'One model, or one of its names with a thinking mode.',
          tags: ['models'],
          params: z.object({ id: z.string() }),
          response: { 200: modelSchema, '4xx': errorSchema, '5xx': errorSchema },
        },
      },
      async function retrieveModel(request) {
        const { id } = request.params;
        const name = names.find((known) => known.id === id);
        if (name === undefined) {
          const shown = JSON.stringify(id.slice(0, 100));
          throw new ApiError('model_not_found', `The model ${shown} is not served here.`, {
            param: 'model',
          });
        }
        return describeModel(name, context);
      },
    );
  };
}
