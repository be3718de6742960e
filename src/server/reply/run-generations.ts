import type { GenerationEvent, GenerationRequest } from '../../engine/generation.ts';
import type { Quotas } from '../http/access/quotas.ts';
import type { RouteContext } from '../http/route-context.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import type { ReplyContext } from './reply-context.ts';
import { type ReplyEvent, ReplyReader } from './reply-events.ts';

export interface GenerationRun {
  readonly reply: ReplyContext;
  /** One engine request for each choice, in the order of the choices. */
  readonly requests: readonly GenerationRequest[];
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
  readonly observation: Pick<RequestObservation, 'observeGeneration'>;
  /** Quotas of the caller; null where the caller has none. */
  readonly quotas: Pick<Quotas, 'spendThinking'> | null;
}

/**
 * Runs the generations of one reply side by side and reads their events in the order in which they arrive. Each event
 * counts in the metrics and in the caller's thinking quota. The engine starts when the first event is read. The work
 * stops when one generation fails, when the reader stops reading and when `signal` aborts; the finishes of the stopped
 * generations still count.
 */
export async function* runGenerations(
  { reply, requests, signal, observation, quotas }: GenerationRun,
  { model, running }: Pick<RouteContext, 'model' | 'running'>,
): AsyncGenerator<ReplyEvent, void, undefined> {
  const { id } = reply.identity;
  const choices = requests.map((_, choice) => ({
    tap: eventTap(observation, quotas),
    reader: new ReplyReader(choice, reply),
  }));
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  for (const request of requests) running.add(id, request.id);
  const generations = requests.map((request) =>
    model.engine.generate(request, either)[Symbol.asyncIterator](),
  );
  // The one generation of most replies needs no merging.
  const only = generations.length === 1 ? (generations[0] ?? null) : null;
  const arrivals = new Arrivals(only === null ? generations : []);
  try {
    for (let numOpen = requests.length; numOpen > 0; ) {
      const { index, result } =
        only === null ? await arrivals.take() : { index: 0, result: await only.next() };
      if (result.done) {
        numOpen -= 1;
        continue;
      }
      const event = result.value;
      const choice = choices[index];
      if (choice === undefined) continue;
      choice.tap(event);
      yield choice.reader.read(event);
    }
  } finally {
    running.delete(id);
    stop.abort();
    const rest = generations.map((generation, index) =>
      countRest(generation, arrivals.pending(index), choices[index]?.tap),
    );
    await Promise.all(rest);
  }
}

/**
 * Counts the events of one generation, in the metrics and in the thinking quota of the caller.
 * @returns a function that takes every event of the generation, in order
 */
export function eventTap(
  observation: GenerationRun['observation'],
  quotas: GenerationRun['quotas'],
): (event: GenerationEvent) => void {
  const observer = observation.observeGeneration();
  return (event) => {
    observer.see(event);
    if (event.type === 'token' && event.section === 'reasoning') quotas?.spendThinking(1);
  };
}

/**
 * Reads a stopped generation to its end, so that its finish is in the metrics and in the log.
 * @param pending its next result, where it was asked for already
 */
async function countRest(
  generation: AsyncIterator<GenerationEvent>,
  pending: Promise<Result> | undefined,
  tap: (event: GenerationEvent) => void = () => {},
): Promise<void> {
  try {
    let result = await (pending ?? generation.next());
    while (!result.done) {
      tap(result.value);
      result = await generation.next();
    }
  } catch {
    // A generation without a finish: the reply fails with the error that stopped it.
  }
}

type Result = IteratorResult<GenerationEvent>;

interface Arrival {
  readonly index: number;
  readonly result: Result;
}

/** Results of several iterators in the order in which they arrive; each iterator is asked for one at a time. */
class Arrivals {
  readonly #iterators: readonly AsyncIterator<GenerationEvent>[];
  readonly #arrived: number[] = [];
  /** By iterator: the result that was asked for and not taken. */
  readonly #pending = new Map<number, Promise<Result>>();
  #last: number | null = null;
  #wake = (): void => {};

  /** Asks all iterators at once, so that all generations run at the same time. */
  constructor(iterators: readonly AsyncIterator<GenerationEvent>[]) {
    this.#iterators = iterators;
    for (const index of iterators.keys()) this.#ask(index);
  }

  /** @throws the error of an iterator that failed */
  async take(): Promise<Arrival> {
    if (this.#last !== null) this.#ask(this.#last);
    this.#last = null;
    let index = this.#arrived.shift();
    while (index === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      index = this.#arrived.shift();
    }
    const pending = this.#pending.get(index);
    this.#pending.delete(index);
    if (pending === undefined) throw new Error(`Nothing was asked of iterator ${index}.`);
    const result = await pending;
    this.#last = result.done ? null : index;
    return { index, result };
  }

  /** The next result of an iterator, where it was asked for and not taken. */
  pending(index: number): Promise<Result> | undefined {
    return this.#pending.get(index);
  }

  #ask(index: number): void {
    const result = this.#iterators[index]?.next();
    if (result === undefined) return;
    this.#pending.set(index, result);
    const arrive = (): void => {
      this.#arrived.push(index);
      this.#wake();
    };
    result.then(arrive, arrive);
  }
}
