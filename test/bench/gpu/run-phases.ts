/** A step of the benchmark: a process that prints samples. */
export interface Phase {
  readonly id: string;
  /** Phases of the device run one after the other; phases of the host run beside them. */
  readonly queue: 'host' | 'device';
  /** Phases that must be done first. */
  readonly needs: readonly string[];
  readonly command: readonly string[];
  readonly budgetS: number;
}

/** How a phase ended; `seconds` is its duration. */
export type Ending =
  | { readonly end: 'done'; readonly seconds: number }
  | { readonly end: 'failed' | 'skipped'; readonly reason: string };

export interface PhaseRun {
  /** Phases that an earlier run has done. */
  readonly done: ReadonlySet<string>;
  /** False runs all phases one after the other, for machines with few cores. */
  readonly beside: boolean;
  /** Returns the seconds left of the whole budget. */
  readonly secondsLeft: () => number;
  /** Runs the phase's process for at most `limitS` seconds. */
  readonly run: (phase: Phase, limitS: number) => Promise<Ending>;
  readonly onEnd: (phase: Phase, ending: Ending) => void;
}

/** A phase does not start with less time than this. */
const LEAST_SECONDS = 5;

/** Runs all phases, each after the phases it needs. A failed phase skips the phases that need it, and no others. */
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
    // A phase that was not requested may have been done by an earlier run.
    const need = ends.get(id);
    const isDone = need === undefined ? done.has(id) : (await need.promise).end === 'done';
    if (!isDone) return { end: 'skipped', reason: `needs ${id}` };
  }
  const limit = Math.min(phase.budgetS, secondsLeft());
  if (limit < LEAST_SECONDS) return { end: 'skipped', reason: 'no time left' };
  return run(phase, limit);
}
