export interface GatherOptions {
  /** Least milliseconds between two texts where the source gives much. */
  readonly intervalMs: number;
  /** Texts that are not held up after a silence. */
  readonly burst: number;
}

const DUE: IteratorResult<string> = { done: true, value: undefined };
/** Characters that are enough for one write: a source that never pauses is not read on before they are taken. */
const ENOUGH = 16_384;

/**
 * Puts together texts that come together: all of one turn of the event loop and, where the source gives more often than
 * every `intervalMs` for a while, all until that time is over. The source is asked for one text ahead at most. A failure
 * comes after the texts before it. Ending this generator early ends `source`.
 */
export async function* gathered(
  source: AsyncIterable<string>,
  { intervalMs, burst }: GatherOptions,
): AsyncGenerator<string, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  let earliest = -Infinity;
  try {
    for (;;) {
      let text = '';
      let result = await next;
      const due = dueIn(earliest - performance.now());
      try {
        while (!result.done) {
          text += result.value;
          next = iterator.next();
          result = text.length < ENOUGH ? await Promise.race([next, due.promise]) : DUE;
        }
      } catch {
        // It is met again, and thrown, when more is asked for.
      } finally {
        due.cancel();
      }
      if (text !== '') yield text;
      if (result.done && result !== DUE) return;
      earliest = Math.max(earliest, performance.now() - burst * intervalMs) + intervalMs;
    }
  } finally {
    // Left before its end: nobody waits any more for what was asked for, not even for its failure.
    next.catch(() => {});
    await iterator.return?.();
  }
}

interface Due {
  readonly promise: Promise<IteratorResult<string>>;
  readonly cancel: () => void;
}

/** Settles after some milliseconds, at the earliest with the present turn of the event loop. */
function dueIn(ms: number): Due {
  let cancel = (): void => {};
  const promise = new Promise<IteratorResult<string>>((resolve) => {
    if (ms > 0) {
      const timer = setTimeout(resolve, ms, DUE);
      cancel = () => clearTimeout(timer);
    } else {
      const turn = setImmediate(resolve, DUE);
      cancel = () => clearImmediate(turn);
    }
  });
  return { promise, cancel };
}
