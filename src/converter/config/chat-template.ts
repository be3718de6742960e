/** Finds the chat template of a checkpoint and detects which message contents and tool calls it expects. */
import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import type { ToolCallFormat } from '../../package/manifest.ts';
import { ConvertError } from '../convert-error.ts';
import { readOptionalJson, readOptionalText } from './json-file.ts';

const templateFileSchema = z.looseObject({ chat_template: z.string() });
const PROBE_TEXT = 'a question about the image';

/**
 * @param embedded the template in tokenizer_config.json, if there is one
 * @throws ConvertError when the checkpoint has no chat template
 */
export async function readChatTemplate(dir: string, embedded: string | undefined): Promise<string> {
  const jinja = await readOptionalText(dir, 'chat_template.jinja');
  if (jinja !== undefined) return jinja;
  const json = await readOptionalJson(dir, 'chat_template.json', templateFileSchema);
  const template = json?.chat_template ?? embedded;
  if (template === undefined) {
    throw new ConvertError(
      `${dir} has no chat template: looked in chat_template.jinja, chat_template.json and tokenizer_config.json.`,
    );
  }
  return template;
}

/**
 * Renders a message whose content is a list of parts. A template for lists writes the text once and one placeholder per
 * image; a template for strings fails or prints something else.
 */
export function detectContentFormat(
  source: string,
  imagePlaceholder: string | null,
): 'parts' | 'string' {
  const template = parse(source);
  const text = { type: 'text', text: PROBE_TEXT };
  const content = imagePlaceholder === null ? [text] : [{ type: 'image', image: '' }, text];
  let rendered: string;
  try {
    const messages = [{ role: 'user', content }];
    rendered = template.render({ messages, add_generation_prompt: true });
  } catch {
    return 'string';
  }
  const numTexts = rendered.split(PROBE_TEXT).length - 1;
  const numImages = imagePlaceholder === null ? 0 : rendered.split(imagePlaceholder).length - 1;
  const wanted = imagePlaceholder === null ? 0 : 1;
  // A template for strings may print the list itself: the text once, between the keys.
  const isPrinted = /['"]type['"]/.test(rendered);
  return numTexts === 1 && numImages === wanted && !isPrinted ? 'parts' : 'string';
}

/**
 * Detects the tool call format of a template. A template without tools says nothing; the server then describes the
 * Hermes format to the model.
 * @returns null for a format that the server does not parse
 */
export function detectToolCalls(source: string): ToolCallFormat | null {
  if (!/\btools\b/.test(source)) return 'hermes';
  return source.includes('<tool_call>') && !source.includes('<function=') ? 'hermes' : null;
}

function parse(source: string): Template {
  try {
    return new Template(source);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConvertError(`The chat template cannot be parsed: ${reason}.`);
  }
}
