/** A step of the benchmark: a process that prints samples. */
export interface Phase {
  readonly id: string;
  /** Those of the device run one after the other, those of the host beside them as soon as they can. */
  readonly queue: 'host' | 'device';
  /** Phases that must have been done. */
  readonly needs: readonly string[];
  readonly command: readonly string[];
  readonly budgetS: number;
}

/** `seconds` are those it took. */
export type Ending =
  | { readonly end: 'done'; readonly seconds: number }
  | { readonly end: 'failed' | 'skipped'; readonly reason: string };

export interface PhaseRun {
  /** Phases done in an earlier run. */
  readonly done: ReadonlySet<string>;
  /** False runs all one after the other, for machines with few cores. */
  readonly beside: boolean;
  /** Seconds left of the whole budget. */
  readonly secondsLeft: () => number;
  /** Runs the process within so many seconds. */
  readonly run: (phase: Phase, limitS: number) => Promise<Ending>;
  readonly onEnd: (phase: Phase, ending: Ending) => void;
}

/** Less is not worth starting a phase for. */
const LEAST_SECONDS = 5;

/** Runs all phases, each after those it needs. One that fails takes those with it that need it, and no others. */
export async function runPhases(phases: readonly Phase[], options: PhaseRun): Promise<void> {
  const ends = new Map<string, PromiseWithEnd>();
  for (const { id } of phases) ends.set(id, promiseWithEnd());
  const runQueue = async (queue: readonly Phase[]): Promise<void> => {
    for (const phase of queue) {
      const ending = await endOf(phase, ends, options);
      options.onEnd(phase, ending);
      ends.get(phase.id)?.resolve(ending);
    }
  };
  if (!options.beside) return await runQueue(phases);
  const host = phases.filter(({ queue }) => queue === 'host').map((phase) => [phase]);
  const device = phases.filter(({ queue }) => queue === 'device');
  await Promise.all([...host, device].map(runQueue));
}

interface PromiseWithEnd {
  readonly promise: Promise<Ending>;
  readonly resolve: (ending: Ending) => void;
}

function promiseWithEnd(): PromiseWithEnd {
  let resolve: PromiseWithEnd['resolve'] = () => undefined;
  const promise = new Promise<Ending>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function endOf(
  phase: Phase,
  ends: ReadonlyMap<string, PromiseWithEnd>,
  { done, secondsLeft, run }: PhaseRun,
): Promise<Ending> {
  if (done.has(phase.id)) return { end: 'done', seconds: 0 };
  for (const id of phase.needs) {
    // One that was not asked for may have been done before.
    const need = ends.get(id);
    const isDone = need === undefined ? done.has(id) : (await need.promise).end === 'done';
    if (!isDone) return { end: 'skipped', reason: `needs ${id}` };
  }
  const limit = Math.min(phase.budgetS, secondsLeft());
  if (limit < LEAST_SECONDS) return { end: 'skipped', reason: 'no time left' };
  return run(phase, limit);
}
