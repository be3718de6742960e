import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateObject, generateText } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';
import type { RunningServer } from '../../src/server/main.ts';
import { startShipped } from '../helpers/shipped-server.ts';

describe('clients of the shipped model', () => {
  /** Every client with the shipped model: what one of them is told, all are told. */
  const QUESTION = 'What is 23 + 48?';
  const LOOK = 'What is the sum of the numbers?';
  const CITIES = ['Bern', 'Graz'] as const;
  const place = z.object({ city: z.enum(CITIES) });
  const schema = { ...z.toJSONSchema(place), type: 'object' as const };

  let server: RunningServer;
  let image: string;
  before(async () => {
    server = await startShipped();
    image = (await readFile('models/nano/examples/sum.png')).toString('base64');
  });
  after(() => server.close());

  const openai = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
  const anthropic = () => new Anthropic({ baseURL: server.url, apiKey: 'none' });
  const aiSdk = () =>
    createOpenAICompatible({
      name: 'thinkgate',
      baseURL: `${server.url}/v1`,
      supportsStructuredOutputs: true,
    })('nano');
  const langchain = () =>
    new ChatOpenAI({
      model: 'nano',
      apiKey: 'none',
      configuration: { baseURL: `${server.url}/v1` },
    });

  test('every client and endpoint gets the same answer', async () => {
    const messages = [{ role: 'user' as const, content: QUESTION }];
    const chat = await openai().chat.completions.create({ model: 'nano', messages });
    const response = await openai().responses.create({ model: 'nano', input: QUESTION });
    const message = await anthropic().messages.create({ model: 'nano', max_tokens: 300, messages });
    const [block] = message.content;
    const answers = [
      chat.choices[0]?.message.content,
      response.output_text,
      block?.type === 'text' ? block.text : '',
      (await generateText({ model: aiSdk(), prompt: QUESTION })).text,
      (await langchain().invoke(QUESTION)).text,
    ];
    assert.match(String(answers[0]), /71/);
    assert.deepEqual(new Set(answers).size, 1, JSON.stringify(answers));
    assert.equal(
      message.usage.output_tokens_details?.thinking_tokens,
      response.usage?.output_tokens_details.reasoning_tokens,
    );
  });

  test('every client and endpoint gets the same answer about an image', async () => {
    const url = `data:image/png;base64,${image}`;
    const chat = await openai().chat.completions.create({
      model: 'nano',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url } },
            { type: 'text', text: LOOK },
          ],
        },
      ],
    });
    const response = await openai().responses.create({
      model: 'nano',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_image', image_url: url, detail: 'auto' },
            { type: 'input_text', text: LOOK },
          ],
        },
      ],
    });
    const message = await anthropic().messages.create({
      model: 'nano',
      max_tokens: 300,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: image } },
            { type: 'text', text: LOOK },
          ],
        },
      ],
    });
    const { text } = await generateText({
      model: aiSdk(),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', image: image, mediaType: 'image/png' },
            { type: 'text', text: LOOK },
          ],
        },
      ],
    });
    const content = [
      { type: 'image_url', image_url: { url } },
      { type: 'text', text: LOOK },
    ];
    const [block] = message.content;
    const answers = [
      chat.choices[0]?.message.content,
      response.output_text,
      block?.type === 'text' ? block.text : '',
      text,
      (await langchain().invoke([new HumanMessage({ content })])).text,
    ];
    assert.ok(answers[0]);
    assert.equal(new Set(answers).size, 1, JSON.stringify(answers));
  });

  test('every client gets an answer that fits its schema', async () => {
    const messages = [{ role: 'user' as const, content: QUESTION }];
    const { object } = await generateObject({ model: aiSdk(), schema: place, prompt: QUESTION });
    const structured = langchain().withStructuredOutput(place, { method: 'jsonSchema', name: 'p' });
    const chat = await openai().chat.completions.create({
      model: 'nano',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'p', schema } },
    });
    const response = await openai().responses.create({
      model: 'nano',
      input: QUESTION,
      text: { format: { type: 'json_schema', name: 'p', schema } },
    });
    const message = await anthropic().messages.create({
      model: 'nano',
      max_tokens: 300,
      messages,
      output_config: { format: { type: 'json_schema', schema } },
    });
    const [block] = message.content;
    const texts = [
      chat.choices[0]?.message.content ?? '',
      response.output_text,
      block?.type === 'text' ? block.text : '',
    ];
    const objects = [object, await structured.invoke(QUESTION), ...texts.map((t) => JSON.parse(t))];
    for (const each of objects) place.parse(each);
  });

  test('every endpoint enforces a tool call', async () => {
    const messages = [{ role: 'user' as const, content: QUESTION }];
    const chat = await openai().chat.completions.create({
      model: 'nano',
      messages,
      tools: [{ type: 'function', function: { name: 'weather', parameters: schema } }],
      tool_choice: 'required',
      parallel_tool_calls: false,
    });
    const response = await openai().responses.create({
      model: 'nano',
      input: QUESTION,
      tools: [{ type: 'function', name: 'weather', parameters: schema, strict: true }],
      tool_choice: { type: 'function', name: 'weather' },
      parallel_tool_calls: false,
    });
    const message = await anthropic().messages.create({
      model: 'nano',
      max_tokens: 300,
      messages,
      tools: [{ name: 'weather', input_schema: schema }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
    });
    const [call] = chat.choices[0]?.message.tool_calls ?? [];
    const item = response.output.at(-1);
    const block = message.content.at(-1);
    assert.ok(call?.type === 'function' && item?.type === 'function_call');
    assert.ok(block?.type === 'tool_use');
    for (const text of [call.function.arguments, item.arguments]) place.parse(JSON.parse(text));
    place.parse(block.input);
  });
});
