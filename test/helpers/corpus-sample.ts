import { env } from 'node:process';
import { Random } from './random.ts';

/**
 * Which cases of the protocol corpus run: all of them where `THINKGATE_TEST_CORPUS` is `whole`, as in `.ci/run`, and
 * about one in six otherwise. A number is the seed of the sample; `npm test` sets and prints one. Repetitions of other
 * tests follow the same setting.
 */
const SETTING = env['THINKGATE_TEST_CORPUS'] ?? '1';
const SHARE = 1 / 6;

export const isWholeCorpus = SETTING === 'whole';

/** How often a repetition runs: in full where the whole corpus does. */
export function repetitions(inFull: number, sampled: number): number {
  return isWholeCorpus ? inFull : sampled;
}

/** The cases of one test that run. */
export class CorpusSample {
  /** For what a case draws, as where its text is cut into tokens. */
  readonly random: Random;
  readonly #choice: Random;

  /** @param wholeSeed what the cases of the whole corpus draw from */
  constructor(wholeSeed: number) {
    const seed = isWholeCorpus ? wholeSeed : Number(SETTING);
    if (!Number.isInteger(seed)) throw new Error(`No seed and not "whole": ${SETTING}`);
    this.random = new Random(seed);
    this.#choice = new Random(seed + 1);
  }

  /** @returns the cases to run, at least one, in their order */
  of<Case>(cases: readonly Case[]): Case[] {
    if (isWholeCorpus) return [...cases];
    const sure = this.#choice.below(cases.length);
    return cases.filter((_case, index) => this.#choice.next() < SHARE || index === sure);
  }
}
