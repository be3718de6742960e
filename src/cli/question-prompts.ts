import type { CalibrationPrompt } from '../converter/quantization/quality/calibration-prompts.ts';
import { readDataset } from '../evaluation/dataset/read-dataset.ts';
import { promptContent } from '../evaluation/prompts.ts';

/**
 * Takes questions of a dataset as prompts, evenly spaced, so that a file sorted by task is covered.
 * @throws EvaluationError naming the file and the row
 */
export async function questionPrompts(path: string, limit: number): Promise<CalibrationPrompt[]> {
  const { questions } = await readDataset(path, { categoryField: 'category' });
  const count = Math.min(limit, questions.length);
  const chosen = Array.from(
    { length: count },
    (_, index) =>
      questions.slice(Math.floor((index * questions.length) / count), questions.length)[0],
  ).filter((question) => question !== undefined);
  return Promise.all(
    chosen.map(async (question): Promise<CalibrationPrompt> => {
      const parts = await promptContent(question, 'auto');
      const content = parts.map((part) =>
        part.type === 'text' ? part : ({ type: 'image', source: part.image_url.url } as const),
      );
      return { name: question.id, messages: [{ role: 'user', content }] };
    }),
  );
}
