const SILENCE = Symbol('silence');

/**
 * Passes a stream through and puts `ping` wherever nothing came for `intervalMs`.
 * Ending this generator early ends `source`.
 */
export async function* withPings<T>(
  source: AsyncIterable<T>,
  intervalMs: number,
): AsyncGenerator<T | 'ping', void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let pending: Promise<IteratorResult<T>> | undefined;
  try {
    for (;;) {
      pending ??= iterator.next();
      const result = await orSilence(pending, intervalMs);
      if (result === SILENCE) {
        yield 'ping';
        continue;
      }
      pending = undefined;
      if (result.done) return;
      yield result.value;
    }
  } finally {
    // Left at a ping: nobody waits any more for what was asked for, not even for its failure.
    pending?.catch(() => {});
    await iterator.return?.();
  }
}

async function orSilence<T>(promise: Promise<T>, ms: number): Promise<T | typeof SILENCE> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<typeof SILENCE>((resolve) => {
    timer = setTimeout(resolve, ms, SILENCE);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
