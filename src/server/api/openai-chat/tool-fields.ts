import { z } from 'zod';

export const MAX_TOOLS = 128;
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

export const functionName = z.string().refine((name) => NAME.test(name), {
  message: 'the name of a function has 1 to 64 letters, digits, underscores and dashes.',
});

const functionTool = z
  .strictObject({
    type: z.literal('function'),
    function: z.strictObject({
      name: functionName,
      description: z.string().nullish(),
      parameters: z
        .record(z.string(), z.unknown())
        .nullish()
        .describe('JSON schema of the arguments.'),
      strict: z
        .boolean()
        .nullish()
        .describe(
          'Holds the arguments to the schema, or refuses a schema that cannot be enforced.',
        ),
    }),
  })
  .meta({ id: 'Tool' });

const named = z
  .strictObject({
    type: z.literal('function'),
    function: z.strictObject({ name: functionName }),
  })
  .meta({ id: 'NamedTool' });

const allowedTools = z
  .strictObject({
    type: z.literal('allowed_tools'),
    allowed_tools: z.strictObject({
      mode: z.enum(['auto', 'required']),
      tools: z.array(named).min(1).max(MAX_TOOLS),
    }),
  })
  .meta({ id: 'AllowedTools' });

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [named, allowedTools]),
]);

/** Fields of a chat request about tools. */
export const toolFields = {
  tools: z.array(functionTool).max(MAX_TOOLS).nullish().describe('Functions the model may call.'),
  tool_choice: toolChoice
    .nullish()
    .describe(
      '`none` offers no tools; `auto`, the default where there are some, leaves it open; `required` and a named function are enforced; `allowed_tools` restricts what may be called to some of the tools.',
    ),
  parallel_tool_calls: z.boolean().nullish().describe('false holds the reply to one call at most.'),
};

const toolFieldsSchema = z.object(toolFields);
export type ToolFields = z.output<typeof toolFieldsSchema>;
