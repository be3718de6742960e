import type { GenerationEvent } from '../../engine/generation.ts';

/** An event of one of a reply's choices. */
export interface ChoiceEvent {
  /** Place of the choice in the reply. */
  readonly index: number;
  readonly event: GenerationEvent;
}

type Arrival =
  | { readonly index: number; readonly result: IteratorResult<GenerationEvent> }
  | { readonly index: number; readonly error: unknown };

/**
 * The events of several generations as they come, each generation's own in order. All are asked at once, so that all
 * are at work at once. Whenever this ends, by itself, by a failure of one of them or because nobody reads on, `stop` is
 * aborted and none of them works on.
 */
export async function* mergeChoices(
  streams: readonly AsyncIterable<GenerationEvent>[],
  stop: AbortController,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const arrivals: Arrival[] = [];
  let wake = (): void => {};
  const arrive = (arrival: Arrival): void => {
    arrivals.push(arrival);
    wake();
  };
  const ask = (index: number): void => {
    iterators[index]?.next().then(
      (result) => arrive({ index, result }),
      (error: unknown) => arrive({ index, error }),
    );
  };
  try {
    for (const index of iterators.keys()) ask(index);
    for (let numOpen = iterators.length; numOpen > 0; ) {
      const arrival = arrivals.shift();
      if (arrival === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else if ('error' in arrival) throw arrival.error;
      else if (arrival.result.done) numOpen -= 1;
      else {
        yield { index: arrival.index, event: arrival.result.value };
        ask(arrival.index);
      }
    }
  } finally {
    stop.abort();
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}
