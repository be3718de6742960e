import { z } from 'zod';

const cacheControl = z
  .looseObject({ type: z.literal('ephemeral') })
  .nullish()
  .describe('Of no effect: what prompts have in common is always reused.');

export const textBlock = z
  .strictObject({
    type: z.literal('text'),
    text: z.string(),
    citations: z.null().optional(),
    cache_control: cacheControl,
  })
  .meta({ id: 'AnthropicTextBlock' });

const base64Source = z.strictObject({
  type: z.literal('base64'),
  media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
  data: z.string().min(1),
});

const urlSource = z.strictObject({
  type: z.literal('url'),
  url: z.string().min(1).describe('A data: URL, or an http(s) URL the server fetches.'),
});

const imageBlock = z
  .strictObject({
    type: z.literal('image'),
    source: z.discriminatedUnion('type', [base64Source, urlSource]),
    cache_control: cacheControl,
  })
  .meta({ id: 'AnthropicImageBlock' });

const toolResultBlock = z
  .strictObject({
    type: z.literal('tool_result'),
    tool_use_id: z.string().min(1),
    content: z.union([z.string(), z.array(textBlock)]).nullish(),
    is_error: z.boolean().nullish().describe('true puts `Error: ` before the content.'),
    cache_control: cacheControl,
  })
  .meta({ id: 'AnthropicToolResultBlock' });

const thinkingBlock = z
  .strictObject({
    type: z.literal('thinking'),
    thinking: z.string(),
    signature: z.string().optional().describe('Not looked at: this server signs nothing.'),
  })
  .meta({ id: 'AnthropicThinkingBlock' });

const toolUseBlock = z
  .strictObject({
    type: z.literal('tool_use'),
    id: z.string().min(1),
    name: z.string().min(1),
    input: z.record(z.string(), z.unknown()),
    caller: z.strictObject({ type: z.literal('direct') }).nullish(),
    cache_control: cacheControl,
  })
  .meta({ id: 'AnthropicToolUseBlock' });

const userMessage = z.strictObject({
  role: z.literal('user'),
  content: z.union([
    z.string(),
    z.array(z.discriminatedUnion('type', [textBlock, imageBlock, toolResultBlock])).min(1),
  ]),
});

const assistantMessage = z.strictObject({
  role: z.literal('assistant'),
  content: z.union([
    z.string(),
    z.array(z.discriminatedUnion('type', [textBlock, thinkingBlock, toolUseBlock])).min(1),
  ]),
});

const systemMessage = z.strictObject({
  role: z.literal('system'),
  content: z.union([z.string(), z.array(textBlock).min(1)]),
});

export const anthropicMessageSchema = z.discriminatedUnion('role', [
  userMessage,
  assistantMessage,
  systemMessage,
]);

export const cacheControlSchema = cacheControl;

export type AnthropicMessage = z.output<typeof anthropicMessageSchema>;
export type UserBlock = Exclude<z.output<typeof userMessage>['content'], string>[number];
export type AssistantBlock = Exclude<z.output<typeof assistantMessage>['content'], string>[number];
export type TextBlock = z.output<typeof textBlock>;
