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
      strict: z.literal(false).nullish(),
    }),
  })
  .meta({ id: 'Tool' });

const toolChoice = z.enum(['none', 'auto']);

/** Fields of a chat request about tools. */
export const toolFields = {
  tools: z.array(functionTool).max(MAX_TOOLS).nullish().describe('Functions the model may call.'),
  tool_choice: toolChoice
    .nullish()
    .describe('`none` offers no tools; `auto`, the default where there are some, leaves it open.'),
  parallel_tool_calls: z.literal(true).nullish(),
};

const toolFieldsSchema = z.object(toolFields);
export type ToolFields = z.output<typeof toolFieldsSchema>;
