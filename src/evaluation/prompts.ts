import { readFile } from 'node:fs/promises';
import { imageDataUrl } from '../client/image.ts';
import type { Question, QuestionImage } from './dataset/question.ts';
import { EvaluationError } from './evaluation-error.ts';

export const PROMPT_STYLES = ['auto', 'as-is', 'choice', 'short', 'yes-no'] as const;
export type PromptStyle = (typeof PROMPT_STYLES)[number];

export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } };

/**
 * The text of a question in a prompt style. The wordings of choice, short and yes-no are VLMEvalKit's. `auto` is choice
 * for a question with options, else as-is.
 */
export function promptText(question: Question, style: PromptStyle): string {
  const { text, hint, options } = question;
  const hinted = hint === null ? text : `Hint: ${hint}\n${text}`;
  switch (style) {
    case 'as-is':
      return hinted;
    case 'short':
      return `${hinted}\nAnswer the question using a single word or phrase.`;
    case 'yes-no':
      return `${hinted} Please answer yes or no.`;
    case 'choice':
      return choicePrompt(question);
    case 'auto':
      return options.length > 0 ? choicePrompt(question) : hinted;
  }
}

function choicePrompt({ text, hint, options }: Question): string {
  const lines = [
    ...(hint === null ? [] : [`Hint: ${hint}`]),
    `Question: ${text}`,
    ...(options.length === 0
      ? []
      : [
          'Options:',
          ...options.map((option) => `${option.letter}. ${option.text}`),
          'Please select the correct answer from the options above.',
        ]),
  ];
  return lines.join('\n');
}

/**
 * The content of the user message. Images come first, unless the text places them with `<image 1>` or `<image_1>`
 * (MMMU's notation).
 * @throws EvaluationError when an image cannot be read
 */
export async function promptContent(
  question: Question,
  style: PromptStyle,
): Promise<ContentPart[]> {
  const text = promptText(question, style);
  const urls = await Promise.all(question.images.map((image) => imageUrl(image, question.id)));
  const pieces = text.split(/(<image[ _]\d+>)/);
  const isPlaced = urls.length > 0 && pieces.length > 1;
  if (!isPlaced) return [...urls.map(imagePart), { type: 'text', text }];
  return pieces.flatMap((piece): ContentPart[] => {
    const [, number] = /^<image[ _](\d+)>$/.exec(piece) ?? [];
    if (number === undefined) return piece.trim() === '' ? [] : [{ type: 'text', text: piece }];
    const url = urls[Number(number) - 1];
    if (url !== undefined) return [imagePart(url)];
    throw new EvaluationError(
      `Question "${question.id}" speaks of ${piece} and has ${urls.length} images.`,
    );
  });
}

function imagePart(url: string): ContentPart {
  return { type: 'image_url', image_url: { url } };
}

async function imageUrl(image: QuestionImage, id: string): Promise<string> {
  if (image.kind === 'url') return image.url;
  const bytes = image.kind === 'bytes' ? image.bytes : await readFile(image.path);
  const url = imageDataUrl(bytes);
  if (url !== null) return url;
  const which = image.kind === 'file' ? image.path : 'its image';
  throw new EvaluationError(`Question "${id}": ${which} is not a PNG, JPEG, GIF or WebP image.`);
}
