import type { ChoiceEvent } from '../reply/choice-events.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import { type ApiError, toApiError } from './errors.ts';
import type { RouteContext } from './route-context.ts';

type Item = ChoiceEvent | 'ping';

/** What one endpoint writes into its event stream, as the text of events. */
export interface EventWriter {
  /** What breaks a silence. */
  readonly ping: string;
  /** @throws ApiError when the event says that the generation failed or was stopped */
  write(item: ChoiceEvent): string;
  /** After the last event. */
  end(): string;
  /** In place of everything that is still to come. */
  fail(failure: ApiError): string;
}

export interface EventStreamInput {
  /** What was read of `items` before the headers went out. */
  readonly first: IteratorResult<Item, void>;
  readonly items: AsyncGenerator<Item, void, undefined>;
  readonly writer: EventWriter;
  readonly observation: RequestObservation;
  readonly signal: AbortSignal;
  readonly context: Pick<RouteContext, 'settings' | 'requestLog'>;
}

/**
 * The text of a text/event-stream body. A failure after the headers is said within the stream, which then ends.
 * Ending this generator early means that the client is gone.
 */
export async function* serverSentEvents(input: EventStreamInput): AsyncGenerator<string, void> {
  const { writer, observation, signal } = input;
  try {
    for await (const item of startingWith(input.first, input.items)) {
      const text = item === 'ping' ? writer.ping : writer.write(item);
      if (text !== '') yield text;
    }
    const last = writer.end();
    observation.end(200);
    if (last !== '') yield last;
  } catch (error) {
    if (signal.aborted) return;
    const failure = toApiError(error, input.context.settings);
    if (failure.cause !== undefined) input.context.requestLog.failure(observation.id, error);
    observation.end(failure.status, failure.code);
    yield writer.fail(failure);
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

/** One event without a name of its own. */
export function toEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
