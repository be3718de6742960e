import { z } from 'zod';

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** @param field what errors call the name */
export function formatName(field: string) {
  return z
    .string()
    .refine((name) => NAME.test(name), {
      message: `\`${field}\` has 1 to 64 letters, digits, underscores and dashes.`,
    })
    .describe('A label; of no effect on this server.');
}

const jsonSchemaFormat = z.strictObject({
  type: z.literal('json_schema'),
  json_schema: z.strictObject({
    name: formatName('response_format.json_schema.name'),
    description: z.string().nullish().describe('A label; of no effect on this server.'),
    schema: z
      .record(z.string(), z.unknown())
      .nullish()
      .describe('Without one the answer is any JSON object.'),
    strict: z
      .boolean()
      .nullish()
      .describe('The schema is always enforced in full, whatever stands here.'),
  }),
});

/** What the answer must be. */
export const responseFormatField = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    jsonSchemaFormat,
  ])
  .nullish()
  .describe('Holds the answer, never the thinking, to JSON or to a JSON schema.');
