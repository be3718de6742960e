import { z } from 'zod';
import { allowedModes, type ServedName } from './model-names.ts';
import type { RouteContext } from './route-context.ts';

const modeSchema = z.enum(['auto', 'think', 'fast']);

export const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
    root: z.string().describe('The model itself, where this name stands for one of its modes.'),
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
    kv_cache: z.string().describe('What keys and values are kept as: float32, float16 or int8.'),
    type: z.literal('model').describe("As in Anthropic's list of models."),
    display_name: z.string().describe("As in Anthropic's list of models; the same as id."),
    created_at: z.iso.datetime().describe("As in Anthropic's list of models."),
  })
  .meta({ id: 'Model' });

export type Model = z.output<typeof modelSchema>;

/** One name a model is served under, as both OpenAI's and Anthropic's clients read it. */
export function describeModel(name: ServedName, context: RouteContext): Model {
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
