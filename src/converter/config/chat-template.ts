/** Finds a checkpoint's chat template and learns how it wants message contents. */
import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import type { ToolCallFormat } from '../../package/manifest.ts';
import { ConvertError } from '../convert-error.ts';
import { readOptionalJson, readOptionalText } from './json-file.ts';

const templateFileSchema = z.looseObject({ chat_template: z.string() });
const PROBE_TEXT = 'a question about the image';

/** @param embedded the template of tokenizer_config.json, if it has one */
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
 * Renders a probe message whose content is a list of parts. A template made for lists writes the text and one
 * placeholder per image; one made for strings fails or prints something else.
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
  // A list printed as such would also hold the text once, with its keys around it.
  const isPrinted = /['"]type['"]/.test(rendered);
  return numTexts === 1 && numImages === wanted && !isPrinted ? 'parts' : 'string';
}

/**
 * Learns from a template how the model writes calls. A template that shows tools and calls in another way is not
 * understood; one without tools says nothing, and the server then teaches the model the common way.
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
