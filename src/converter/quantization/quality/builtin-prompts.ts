/** Built-in calibration prompts: many kinds of text, and images for models with a vision tower. */

import type { VisionShape } from '../../../package/manifest.ts';
import type { RgbImage } from '../../../server/prompt/images/resize.ts';
import { tileImage } from '../../../server/prompt/images/tile.ts';
import type { ChatMessage } from '../../../server/prompt/messages.ts';
import type { CalibrationPrompt } from './calibration-prompts.ts';

const TEXTS = [
  'What is 23 + 48?',
  'Which river flows through Paris, Rouen and Le Havre? Answer in one word.',
  'A train leaves at 9:40 and arrives at 13:05 after a stop of 12 minutes. How long was it moving? Explain every step.',
  'Schreibe drei Sätze über den Herbst in Zürich und übersetze sie ins Englische.',
  'Fix this function:\n```ts\nfunction mean(xs: number[]) {\n  let sum = 0;\n  for (let i = 1; i <= xs.length; i++) sum += xs[i];\n  return sum / xs.length();\n}\n```',
  '用三句话解释为什么天空是蓝色的。',
  'Summarise in one sentence: The committee met on Tuesday to discuss the budget for the coming year. After two hours it had agreed on the roads and the library, but not on the swimming pool, whose roof needs repair. A decision was put off until the surveyor has given his report, which is expected in March; until then the pool stays open on weekends only.',
  'Return JSON with the keys "name", "year" and "tags" for: "Sputnik 1, launched 1957, was the first artificial satellite."',
  'Prove that the square root of 2 is irrational.',
  'Write a short poem about a lighthouse, four lines, rhyming.',
  'Is 1,001 a prime number? If not, give its factors: 7 × 11 × 13?',
  'Wie viele rote Kreise bleiben, wenn man von 14 roten und 9 blauen Kreisen 5 rote wegnimmt?',
] as const;

const QUESTIONS = [
  'What do you see?',
  'How many shapes are in the picture, and which colours do they have?',
  'Which of the bars is the tallest? Answer in one word.',
  'Describe the picture from left to right, then say what is odd about it.',
  'Is there any text in the picture?',
  'What is the largest thing in the picture?',
] as const;

/** Tiles in addition to the base tile. The full grid of a large model would take minutes on a CPU. */
const MAX_TILES = 2;

/** @param vision null for a text-only model */
export function builtinPrompts(vision: VisionShape | null): CalibrationPrompt[] {
  const texts = TEXTS.map((text): CalibrationPrompt => ({ name: text, messages: [asked(text)] }));
  const talk: CalibrationPrompt = { name: 'a longer conversation', messages: conversation() };
  const aside: CalibrationPrompt = {
    name: 'a system prompt',
    messages: [
      { role: 'system', content: 'You are a careful librarian. Answer briefly and politely.' },
      asked('Which book should I read first: Middlemarch or Emma?'),
    ],
  };
  if (vision === null) return [...texts, talk, aside];
  const images = QUESTIONS.map((question, index) => imagePrompt(question, index, vision));
  return [...images, ...texts, talk, aside];
}

function imagePrompt(question: string, index: number, vision: VisionShape): CalibrationPrompt {
  const image = drawImage(index, vision.tileSize);
  const content = [
    { type: 'image', source: 'drawn' },
    { type: 'text', text: question },
  ] as const;
  return {
    name: `${question} (image ${index + 1})`,
    messages: [{ role: 'user', content }],
    images: [tileImage(image, vision, MAX_TILES)],
  };
}

function asked(content: string): ChatMessage {
  return { role: 'user', content };
}

function conversation(): ChatMessage[] {
  return [
    asked('I want to bake bread. What do I need?'),
    { role: 'assistant', content: 'Flour (500 g), water (350 ml), salt (10 g) and yeast (7 g).' },
    asked('I only have 300 g of flour. How much water is that?'),
    { role: 'assistant', content: '300 ÷ 500 × 350 = 210 ml of water.' },
    asked('And salt and yeast? Then write the whole recipe as a numbered list.'),
  ];
}

type Colour = readonly [red: number, green: number, blue: number];
type Painter = (x: number, y: number) => Colour;

/** Colours of the images, by coordinates from 0 to 1. */
const PAINTERS: readonly Painter[] = [
  (x, y) => [255 * x, 255 * y, 255 * (1 - x)],
  (x, y) => (isInDisc(x, y) ? [220, 40, 40] : [245, 245, 240]),
  (x, y) =>
    1 - y < [0.3, 0.8, 0.5, 0.65][Math.floor(x * 4) % 4]! ? [30, 90, 200] : [255, 255, 255],
  (x, y) => (Math.floor(x * 12) % 2 === Math.floor(y * 9) % 2 ? [15, 15, 15] : [250, 250, 250]),
  (x, y) => grey(127 + 127 * Math.sin(60 * x * x + 40 * y) * Math.cos(35 * y)),
  (x, y) => (Math.hypot(x - 0.6, y - 0.4) < 0.3 ? [250, 200, 20] : [20 + 60 * y, 60, 90 + 120 * y]),
];

/** Width and height of the images, in sides of a tile. */
const SIZES = [
  [1, 1],
  [1.5, 1],
  [1, 1.5],
  [2, 1],
  [1, 2],
  [1.3, 1.3],
] as const;

function drawImage(index: number, tileSize: number): RgbImage {
  const [wide, high] = SIZES[index % SIZES.length]!;
  const paint = PAINTERS[index % PAINTERS.length]!;
  const [width, height] = [Math.round(wide * tileSize), Math.round(high * tileSize)];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(paint(x / width, y / height), (y * width + x) * 3);
  }
  return { width, height, data };
}

function isInDisc(x: number, y: number): boolean {
  const [column, row] = [(x * 3) % 1, (y * 2) % 1];
  return Math.hypot(column - 0.5, row - 0.5) < 0.3;
}

function grey(level: number): Colour {
  return [level, level, level];
}
