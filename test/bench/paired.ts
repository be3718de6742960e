import type { Measured, Task } from './contenders/contender.ts';

/** Whoever can be given a task. */
export interface Runs {
  readonly name: string;
  run(task: Task): Promise<Measured>;
}

/** Samples of one task, by contender; index is the round. */
export type Rates = ReadonlyMap<string, readonly number[]>;

/**
 * Gives all contenders the task in turns, in another order every round, so that whatever else the machine does falls
 * on all of them. One round of warming up is thrown away.
 * @returns tokens per second: of prompts where one token is generated, else of what is generated
 */
export async function interleaved(
  contenders: readonly Runs[],
  task: Task,
  rounds: number,
): Promise<Rates> {
  const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(turn + round + 1) % contenders.length];
      if (contender === undefined) continue;
      const { seconds, promptTokens } = await contender.run(task);
      const tokens = task.streams * (task.newTokens === 1 ? promptTokens : task.newTokens);
      if (round >= 0) rates.get(contender.name)?.push(tokens / seconds);
    }
  }
  return rates;
}

export function medianRate(rates: Rates, name: string): number {
  return median(rates.get(name) ?? []);
}

/** Median of the rounds' own ratios. */
export function pairedRatio(rates: Rates, one: string, other: string): number {
  const others = rates.get(other) ?? [];
  return median((rates.get(one) ?? []).map((rate, round) => rate / (others[round] ?? Number.NaN)));
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
