/** The prompts that float16 is tried on. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { RgbImage } from '../../chat/images/resize.ts';
import { pictureUrl } from '../../client/picture.ts';

/** A question, with pictures before it. */
export interface TrialPrompt {
  readonly id: string;
  readonly text: string;
  /** URLs, or pixels made here. */
  readonly images: readonly (string | RgbImage)[];
}

const image = z.string().min(1);
const rowSchema = z.looseObject({
  id: z.union([z.string(), z.number().transform(String)]).optional(),
  question: z.string().min(1),
  image: z.union([image, z.array(image)]).nullish(),
  images: z.array(image).nullish(),
});

/**
 * Reads prompts as JSON, one object a line: `question`, `id` if wanted, and pictures in `image` or `images` (paths
 * against the file's folder, web addresses or data URLs). Other fields are passed over: a dataset of
 * `thinkgate eval` will do.
 * @throws Error naming the file, the line and what is wrong with it
 */
export async function readTrialPrompts(path: string): Promise<TrialPrompt[]> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new Error(`The prompts ${path} cannot be read.`);
  });
  const prompts: TrialPrompt[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const row = parseRow(line, `${path}, line ${index + 1}`);
    const { id = String(index + 1), question } = row;
    const images = [...(row.images ?? []), ...[row.image ?? []].flat()];
    prompts.push({
      id,
      text: question,
      images: await Promise.all(images.map((picture) => fromFolder(picture, dirname(path)))),
    });
  }
  if (prompts.length === 0) throw new Error(`${path} has no prompts.`);
  return prompts;
}

function parseRow(line: string, where: string): z.output<typeof rowSchema> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error(`${where} is not valid JSON.`);
  }
  const parsed = rowSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${where}, ${issue?.path.join('.') || 'the whole'}: ${issue?.message}.`);
}

function fromFolder(picture: string, folder: string): Promise<string> {
  return pictureUrl(/^(https?|data):/.test(picture) ? picture : resolve(folder, picture));
}

/** Where no prompts are given: some that call for thinking and some that do not, two with a picture if it takes any. */
export function builtInPrompts({ takesPictures }: { takesPictures: boolean }): TrialPrompt[] {
  const prompts = QUESTIONS.map(([id, text]): TrialPrompt => ({ id, text, images: [] }));
  if (!takesPictures) return prompts;
  const images = [drawnPicture()];
  return [...prompts, ...PICTURE_QUESTIONS.map(([id, text]) => ({ id, text, images }))];
}

const QUESTIONS: readonly (readonly [id: string, text: string])[] = [
  ['greeting', 'Hello!'],
  ['fact', 'What is the capital of Portugal?'],
  ['translation', 'Übersetze ins Englische: „Morgen wird es regnen.“'],
  [
    'arithmetic',
    'A box holds 14 red, 27 blue and 35 green balls. Half of the blue ones are taken out, rounded down. How many balls are left?',
  ],
  ['proof', 'Show that the sum of two odd numbers is even, and that their product is odd.'],
  ['code', 'What does this print? `console.log([3, 1, 2].sort().map((n) => n ** 2).join("-"))`'],
];

const PICTURE_QUESTIONS: readonly (readonly [id: string, text: string])[] = [
  ['picture', 'What do you see in this picture?'],
  ['picture-count', 'How many corners do all the shapes in this picture have together?'],
];

/** A disc, a square and a triangle over a gradient. */
function drawnPicture(): RgbImage {
  const side = 384;
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) data.set(colourAt(x, y, side), (y * side + x) * 3);
  }
  return { width: side, height: side, data };
}

function colourAt(x: number, y: number, side: number): readonly [number, number, number] {
  if ((x - 100) ** 2 + (y - 110) ** 2 < 60 ** 2) return [210, 40, 40];
  if (x >= 220 && x < 330 && y >= 60 && y < 170) return [40, 70, 200];
  if (y >= 220 && y < 340 && Math.abs(x - 190) < (y - 220) / 2) return [30, 150, 60];
  const light = 255 - Math.round((60 * (x + y)) / (2 * side));
  return [light, light, 245];
}
