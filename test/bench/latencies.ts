import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freshText, type Served } from './contenders/served.ts';

/** Times to the first token of direct answers, one after the other. */
export async function directAnswers(served: Served, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const content = freshText(24);
    const { firstMs } = await served.ask({
      thinking_mode: 'fast',
      temperature: 0,
      max_tokens: 4,
      // Every token has its chunk then, also one whose text waits for the rest of a character.
      logprobs: true,
      messages: [{ role: 'user', content }],
    });
    times.push(firstMs);
  }
  return times;
}

/** The same while as many thinkers run, each followed by the next. */
export async function amongThinkers(
  served: Served,
  thinkers: number,
  count: number,
): Promise<number[]> {
  const end = new AbortController();
  const loops = Array.from({ length: thinkers }, async () => {
    while (!end.signal.aborted) {
      const fields = {
        thinking_mode: 'think',
        temperature: 1,
        max_tokens: 400,
        break_thinking_loops: false,
        messages: [{ role: 'user', content: freshText(24) }],
      };
      await served.ask(fields, end.signal).catch(() => undefined);
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const times = await directAnswers(served, count);
  end.abort();
  await Promise.all(loops);
  return times;
}

export interface Turns {
  readonly first: readonly number[];
  readonly second: readonly number[];
}

/** Times to the first token of a first and a second question about one picture, a new picture every time. */
export async function turnsOnImages(
  served: Served,
  packageDir: string,
  count: number,
): Promise<Turns> {
  const folder = join(packageDir, 'heldout');
  const lines = (await readFile(join(folder, 'questions.jsonl'), 'utf8')).trim().split('\n');
  const questions = lines.map((line): { image: string | null; question: string } =>
    JSON.parse(line),
  );
  const images = new Set(questions.flatMap(({ image }) => image ?? []));
  const turns = { first: [] as number[], second: [] as number[] };
  for (const image of [...images].slice(0, count)) {
    const bytes = await readFile(join(folder, image));
    const url = `data:image/png;base64,${bytes.toString('base64')}`;
    const picture = { type: 'image_url', image_url: { url } };
    const ask = (text: string) => ({ role: 'user', content: [picture, { type: 'text', text }] });
    const fields = { thinking_mode: 'fast', temperature: 0, max_tokens: 8 };
    const opening = ask('What number is in the middle?');
    const one = await served.ask({ ...fields, messages: [opening] });
    const later = [
      opening,
      { role: 'assistant', content: '7' },
      { role: 'user', content: 'And which one is the largest?' },
    ];
    const two = await served.ask({ ...fields, messages: later });
    turns.first.push(one.firstMs);
    turns.second.push(two.firstMs);
  }
  return turns;
}
