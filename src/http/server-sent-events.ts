import type { GenerationEvent } from '../engine/generation.ts';
import type { RequestObservation } from '../observability/request-observation.ts';
import { toApiError } from './errors.ts';
import type { RouteContext } from './route-context.ts';
import type { ChunkWriter } from './stream-completion.ts';

type Item = GenerationEvent | 'ping';

export interface EventStreamInput {
  /** What was read of `items` before the headers went out. */
  readonly first: IteratorResult<Item, void>;
  readonly items: AsyncGenerator<Item, void, undefined>;
  readonly writer: ChunkWriter;
  readonly observation: RequestObservation;
  readonly signal: AbortSignal;
  readonly context: Pick<RouteContext, 'settings' | 'requestLog'>;
}

/**
 * The text of a text/event-stream body. A failure after the headers becomes one `error` object, after which the stream
 * ends without a finish reason and without [DONE]. Ending this generator early means that the client is gone.
 */
export async function* serverSentEvents(input: EventStreamInput): AsyncGenerator<string, void> {
  const { writer, observation, signal } = input;
  try {
    for await (const item of startingWith(input.first, input.items)) {
      const text = item === 'ping' ? ': ping\n\n' : writer.write(item).map(toEvent).join('');
      if (text !== '') yield text;
    }
    observation.end(200);
    yield 'data: [DONE]\n\n';
  } catch (error) {
    if (signal.aborted) return;
    const failure = toApiError(error, input.context.settings);
    if (failure.cause !== undefined) input.context.requestLog.failure(observation.id, error);
    observation.end(failure.status, failure.code);
    yield toEvent(failure.toBody());
  } finally {
    observation.end(499, 'client_closed_request');
  }
}

async function* startingWith(
  first: EventStreamInput['first'],
  items: EventStreamInput['items'],
): AsyncGenerator<Item, void> {
  // `items` is ended even when only `first` was ever asked for.
  try {
    if (first.done !== true) yield first.value;
    yield* items;
  } finally {
    await items.return();
  }
}

function toEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
