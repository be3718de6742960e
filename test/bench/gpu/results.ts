import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Ending } from './run-phases.ts';
import type { Sample } from './sample.ts';

type Line =
  | { readonly settings: unknown }
  | { readonly phase: string; readonly started: string }
  | { readonly phase: string; readonly sample: Sample }
  | ({ readonly phase: string } & Ending);

/** The results so far, one line of JSON each. A run continues where an earlier one was interrupted. */
export class Results {
  readonly #file: string;
  readonly #samples = new Map<string, Sample[]>();
  readonly #ends = new Map<string, Ending>();

  /** @throws Error when the file holds results of other settings */
  constructor(file: string, settings: unknown) {
    this.#file = file;
    if (!existsSync(file)) this.#write({ settings });
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (line !== '') this.#take(JSON.parse(line) as Line, settings);
    }
  }

  get samples(): Sample[] {
    return [...this.#samples.values()].flat();
  }

  get ends(): ReadonlyMap<string, Ending> {
    return this.#ends;
  }

  get done(): Set<string> {
    return new Set([...this.#ends].filter(([, { end }]) => end === 'done').map(([id]) => id));
  }

  start(phase: string): void {
    this.#add({ phase, started: new Date().toISOString() });
  }

  sample(phase: string, sample: Sample): void {
    this.#add({ phase, sample });
  }

  end(phase: string, ending: Ending): void {
    this.#add({ phase, ...ending });
  }

  #add(line: Line): void {
    this.#write(line);
    this.#take(line, undefined);
  }

  #write(line: Line): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  #take(line: Line, settings: unknown): void {
    if ('settings' in line) {
      if (JSON.stringify(line.settings) === JSON.stringify(settings)) return;
      throw new Error(`${this.#file} is of a run with other settings; --fresh begins anew.`);
    }
    if ('started' in line) {
      // A new attempt replaces the samples of an earlier one.
      this.#samples.set(line.phase, []);
      this.#ends.delete(line.phase);
    } else if ('sample' in line) this.#samples.get(line.phase)?.push(line.sample);
    else this.#ends.set(line.phase, line);
  }
}
