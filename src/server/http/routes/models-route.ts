import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { errorSchema } from '../../api/openai-chat/response-schema.ts';
import { ApiError } from '../errors.ts';
import { allowedModes, type ServedName, servedNames } from '../model-names.ts';
import type { RouteContext } from '../route-context.ts';

const modeSchema = z.enum(['auto', 'think', 'fast']);

const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
    root: z.string().describe('The model itself, when this name stands for one of its modes.'),
    parent: z.string().nullable().describe('The same; null for the model itself.'),
    max_model_len: z.int().describe('Tokens one request may hold, prompt and output together.'),
    context_length: z.int().describe('The same as max_model_len.'),
    modalities: z.object({ input: z.array(z.string()), output: z.array(z.string()) }),
    thinking: z.object({
      modes: z.array(modeSchema).describe('Modes a request may ask for.'),
      default_mode: modeSchema.describe('Mode of requests to this name that ask for none.'),
      profiles: z
        .record(z.string(), z.object({ threshold: z.number() }))
        .describe('Calibrated thresholds that `thinking_profile` may name.'),
    }),
    precision: z.string(),
    kv_cache: z.string().describe('Element type of the KV cache: float32, float16 or int8.'),
    type: z.literal('model').describe("As in Anthropic's list of models."),
    display_name: z.string().describe("As in Anthropic's list of models; the same as id."),
    created_at: z.iso.datetime().describe("As in Anthropic's list of models."),
  })
  .meta({ id: 'Model' });

type Model = z.output<typeof modelSchema>;

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

/** Describes one name of the model, for the clients of OpenAI and of Anthropic. */
function describeModel(name: ServedName, context: RouteContext): Model {
  const { model, settings, created } = context;
  const { manifest } = model;
  const { slotCapacity, kvCacheType } = model.engine.limits;
  const profiles = Object.entries(manifest.profiles ?? {});
  return {
    id: name.id,
    object: 'model',
    created,
    owned_by: 'thinkgate',
    root: model.id,
    parent: name.id === model.id ? null : model.id,
    max_model_len: slotCapacity,
    context_length: slotCapacity,
    modalities: {
      input: manifest.vision === null ? ['text'] : ['text', 'image'],
      output: ['text'],
    },
    thinking: {
      modes: name.id === model.id ? allowedModes(model, settings.thinking) : [name.mode],
      default_mode: name.mode,
      profiles: Object.fromEntries(profiles.map(([id, { threshold }]) => [id, { threshold }])),
    },
    precision: manifest.precision,
    kv_cache: kvCacheType,
    type: 'model',
    display_name: name.id,
    created_at: new Date(created * 1000).toISOString(),
  };
}
