import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ApiError } from '../errors.ts';
import { errorSchema } from '../response-schema.ts';
import type { RouteContext } from '../route-context.ts';
import { availableModes } from '../thinking-policy.ts';

const modeSchema = z.enum(['auto', 'think', 'fast']);

const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
    max_model_len: z.int().describe('Tokens one request may hold, prompt and output together.'),
    modalities: z.object({ input: z.array(z.string()), output: z.array(z.string()) }),
    thinking: z.object({
      modes: z.array(modeSchema),
      default_mode: modeSchema,
      profiles: z
        .record(z.string(), z.object({ threshold: z.number() }))
        .describe('Calibrated thresholds that `thinking_profile` may name.'),
    }),
    precision: z.string(),
  })
  .meta({ id: 'Model' });

const modelListSchema = z
  .object({ object: z.literal('list'), data: z.array(modelSchema) })
  .meta({ id: 'ModelList' });

type Model = z.output<typeof modelSchema>;

/** GET /v1/models and GET /v1/models/:id. */
export function modelsRoute(context: RouteContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/models',
      {
        schema: {
          operationId: 'listModels',
          summary: 'The models served here.',
          tags: ['models'],
          response: { 200: modelListSchema },
        },
      },
      async function listModels() {
        return { object: 'list' as const, data: [describeModel(context)] };
      },
    );
    app.get(
      '/v1/models/:id',
      {
        schema: {
          operationId: 'retrieveModel',
          summary: 'One model.',
          tags: ['models'],
          params: z.object({ id: z.string() }),
          response: { 200: modelSchema, '4xx': errorSchema },
        },
      },
      async function retrieveModel(request) {
        if (request.params.id !== context.model.id) {
          const shown = JSON.stringify(request.params.id.slice(0, 100));
          throw new ApiError('model_not_found', `The model ${shown} is not served here.`, {
            param: 'model',
          });
        }
        return describeModel(context);
      },
    );
  };
}

function describeModel({ model, created }: RouteContext): Model {
  const { manifest } = model;
  return {
    id: model.id,
    object: 'model',
    created,
    owned_by: 'thinkgate',
    max_model_len: model.engine.limits.slotCapacity,
    modalities: {
      input: manifest.vision === null ? ['text'] : ['text', 'image'],
      output: ['text'],
    },
    thinking: {
      modes: availableModes(manifest.thinking),
      default_mode: manifest.thinking.defaultMode,
      profiles: Object.fromEntries(
        Object.entries(manifest.profiles ?? {}).map(([name, { threshold }]) => [
          name,
          { threshold },
        ]),
      ),
    },
    precision: manifest.precision,
  };
}
