import { z } from 'zod';
import { callArguments } from '../openai-chat/message-schema.ts';

const status = z.enum(['in_progress', 'completed', 'incomplete']).nullish();
const id = z.string().nullish().describe('Not looked at: this server keeps nothing.');

const ADDED = "Not looked at: OpenAI's client adds it to what it was sent.";

const inputText = z.strictObject({ type: z.literal('input_text'), text: z.string() });

const inputImage = z
  .strictObject({
    type: z.literal('input_image'),
    image_url: z
      .string()
      .min(1)
      .describe('A data: URL with the image in base64, or an http(s) URL the server fetches.'),
    detail: z.enum(['auto', 'low', 'high']).optional(),
    file_id: z.literal(null).optional(),
  })
  .meta({ id: 'InputImage' });

const outputText = z.strictObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()).max(0).optional(),
  logprobs: z.array(z.unknown()).nullish(),
  parsed: z.unknown().optional().describe(ADDED),
});

const userItem = z
  .strictObject({
    type: z.literal('message').optional(),
    role: z.literal('user'),
    content: z.union([
      z.string(),
      z.array(z.discriminatedUnion('type', [inputText, inputImage])).min(1),
    ]),
    id,
    status,
  })
  .meta({ id: 'InputUserMessage' });

const instructionItem = z
  .strictObject({
    type: z.literal('message').optional(),
    role: z.enum(['system', 'developer']),
    content: z.union([z.string(), z.array(inputText).min(1)]),
    id,
    status,
  })
  .meta({ id: 'InputInstructionMessage' });

const assistantItem = z
  .strictObject({
    type: z.literal('message').optional(),
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(outputText).min(1)]),
    id,
    status,
    phase: z.literal(null).optional(),
  })
  .meta({ id: 'InputAssistantMessage' });

const reasoningItem = z
  .strictObject({
    type: z.literal('reasoning'),
    id,
    summary: z.array(z.strictObject({ type: z.literal('summary_text'), text: z.string() })),
    content: z
      .array(z.strictObject({ type: z.literal('reasoning_text'), text: z.string() }))
      .nullish()
      .describe('Read before the summary.'),
    encrypted_content: z.literal(null).optional(),
    status,
  })
  .meta({ id: 'InputReasoning' });

const functionCall = z
  .strictObject({
    type: z.literal('function_call'),
    call_id: z.string().min(1),
    name: z.string().min(1),
    arguments: callArguments,
    parsed_arguments: z.unknown().optional().describe(ADDED),
    id,
    status,
  })
  .meta({ id: 'InputFunctionCall' });

const functionCallOutput = z
  .strictObject({
    type: z.literal('function_call_output'),
    call_id: z.string().min(1),
    output: z.union([z.string(), z.array(inputText)]),
    id,
    status,
  })
  .meta({ id: 'InputFunctionCallOutput' });

export const inputItemSchema = z.union([
  userItem,
  instructionItem,
  assistantItem,
  reasoningItem,
  functionCall,
  functionCallOutput,
]);

export type InputItem = z.output<typeof inputItemSchema>;
export type UserItem = z.output<typeof userItem>;
