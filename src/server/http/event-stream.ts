import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { thinkingHeaders } from '../api/thinking-report.ts';
import type { ReplyEvent } from '../reply/reply-events.ts';
import type { Exchange, StartedGeneration } from '../request/start-generation.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import { type ApiError, CATALOGUE, toApiError } from './errors.ts';
import type { RouteContext } from './route-context.ts';
import type { HttpSettings } from './settings.ts';

/** Renders the events of a reply as the text of one API's server-sent events. */
export interface EventWriter {
  /** The text that breaks a silence. */
  readonly ping: string;
  /** @throws ApiError when the event says that the generation failed or was stopped */
  write(event: ReplyEvent): string;
  /** The text after the last event. */
  end(): string;
  /** The text in place of all events that are still to come. */
  fail(failure: ApiError): string;
}

/** One server-sent event without a name. */
export function toEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/**
 * Describes a text/event-stream body in OpenAPI.
 * @param item name of the schema that the data of every event follows
 */
export function eventStreamSchema(item: string, description: string) {
  return z.custom<Readable>().meta({
    type: 'string',
    description,
    contentMediaType: 'text/event-stream',
    contentSchema: { $ref: `#/components/schemas/${item}` },
  });
}

/**
 * Answers with an event stream. The headers name the decision, which precedes every token, so this waits for the first
 * event, but no longer than one ping interval.
 * @throws ApiError when the generation fails before its first token: the status can still say so
 */
export async function sendEventStream(
  { events, completion, signal }: StartedGeneration,
  { reply, observation, writer }: Exchange & { readonly writer: EventWriter },
  { settings, requestLog }: Pick<RouteContext, 'settings' | 'requestLog'>,
): Promise<Readable> {
  const first = events.next();
  const result = await settledWithin(first, settings.pingIntervalMs);
  const head = result?.done === false ? result.value : null;
  const decision = head?.type === 'decision' ? head.decision : null;
  reply.headers(thinkingHeaders(decision, completion)).headers({
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
    'content-type': 'text/event-stream; charset=utf-8',
  });
  closeWhenStuck(reply, observation, settings);
  return new EventStreamBody({
    first,
    events,
    writer,
    beginsWithPing: result === undefined,
    pingIntervalMs: settings.pingIntervalMs,
    onEnd: () => observation.end(200),
    onFailure: (error) => {
      if (signal.aborted) return null;
      const failure = toApiError(error, settings);
      if (failure.cause !== undefined) requestLog.failure(observation.id, error);
      observation.end(failure.status, failure.code);
      return failure;
    },
    onClose: () => observation.end(499, 'client_closed_request'),
  });
}

/** @returns the result of `promise`; undefined when it takes longer than `ms` */
async function settledWithin<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Closes a stream that the client does not read, which also ends its generation. The server writes at every ping at
 * least, so only such a stream stands still for longer.
 */
function closeWhenStuck(
  { raw }: FastifyReply,
  observation: Pick<RequestObservation, 'end'>,
  { slowReaderMs, pingIntervalMs }: Pick<HttpSettings, 'pingIntervalMs' | 'slowReaderMs'>,
): void {
  raw.setTimeout(Math.max(slowReaderMs, 2 * pingIntervalMs), () => {
    observation.end(CATALOGUE.client_too_slow.status, 'client_too_slow');
    raw.destroy();
  });
}

export interface EventStreamInput {
  /** The first result of `events`, which may be settled or not. */
  readonly first: Promise<IteratorResult<ReplyEvent, void>>;
  readonly events: AsyncGenerator<ReplyEvent, void, undefined>;
  readonly writer: EventWriter;
  /** Whether a ping interval passed before the body begins. */
  readonly beginsWithPing: boolean;
  readonly pingIntervalMs: number;
  /** Called when all events are written. */
  readonly onEnd: () => void;
  /** Called when the events fail. @returns the failure to write; null when the client is gone */
  readonly onFailure: (error: unknown) => ApiError | null;
  /** Called when the body is over in any way; the work behind `events` has stopped. */
  readonly onClose: () => void;
  /** Clock in milliseconds. */
  readonly now?: () => number;
}

/**
 * Shortest time between two writes of a stream that writes all the time. Each write is a system call for a few bytes;
 * from a fast model a step comes more often than this.
 */
const WRITE_INTERVAL_MS = 5;
/** Writes after a silence that do not wait for the interval: the first tokens arrive at once. */
const BURST = 4;
/** Characters that are written at once, without waiting for more. */
const MAX_WRITE = 16_384;

/**
 * The body of an event stream. Events of one turn of the event loop are written together and, while writes come fast,
 * all events of `WRITE_INTERVAL_MS`. A silence of `pingIntervalMs` is broken by a ping. When the events fail, the failure
 * is written in their place and the body ends. The body reads no events while the consumer takes no text.
 */
export class EventStreamBody extends Readable {
  readonly #input: EventStreamInput;
  readonly #now: () => number;
  #pings: NodeJS.Timeout | undefined;
  #text = '';
  #isStarted = false;
  /** Whether the consumer has more than it takes at the moment. */
  #isFull = false;
  #nextWriteAt = -Infinity;
  #lastWriteAt: number;
  #cancelFlush: (() => void) | null = null;
  #wake = (): void => {};

  constructor(input: EventStreamInput) {
    super({ objectMode: true, highWaterMark: 1 });
    this.#input = input;
    this.#now = input.now ?? (() => performance.now());
    this.#lastWriteAt = this.#now();
    this.#pingIn(input.pingIntervalMs);
    if (input.beginsWithPing) this.#append(input.writer.ping);
  }

  override _read(): void {
    this.#isFull = false;
    if (!this.#isStarted) {
      this.#isStarted = true;
      void this.#run();
    }
    this.#wake();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#pings);
    this.#cancelFlush?.();
    this.#wake();
    const { events, onClose } = this.#input;
    events.return().then(onClose, onClose);
    callback(error);
  }

  async #run(): Promise<void> {
    const { first, events, writer, onEnd, onFailure } = this.#input;
    try {
      let result = await first;
      while (!result.done && !this.destroyed) {
        this.#append(writer.write(result.value));
        if (this.#isFull) await this.#room();
        result = await events.next();
      }
      const last = writer.end();
      onEnd();
      this.#append(last);
    } catch (error) {
      const failure = onFailure(error);
      if (failure !== null) this.#append(writer.fail(failure));
    }
    if (this.destroyed) return;
    this.#flush();
    this.push(null);
  }

  /** Adds text to the next write. */
  #append(text: string): void {
    if (text === '' || this.destroyed) return;
    this.#text += text;
    if (this.#text.length >= MAX_WRITE) this.#flush();
    else this.#cancelFlush ??= this.#flushLater();
  }

  #flushLater(): () => void {
    const ms = this.#nextWriteAt - this.#now();
    if (ms > 0) {
      const timer = setTimeout(() => this.#flush(), ms);
      return () => clearTimeout(timer);
    }
    const turn = setImmediate(() => this.#flush());
    return () => clearImmediate(turn);
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    this.#lastWriteAt = this.#now();
    const earliest = this.#lastWriteAt - BURST * WRITE_INTERVAL_MS;
    this.#nextWriteAt = Math.max(this.#nextWriteAt, earliest) + WRITE_INTERVAL_MS;
    this.#isFull = !this.push(text);
  }

  /** One timer for a whole silence: a write only notes its time. */
  #pingIn(ms: number): void {
    this.#pings = setTimeout(() => {
      const { pingIntervalMs, writer } = this.#input;
      const silenceMs = this.#now() - this.#lastWriteAt;
      if (silenceMs < pingIntervalMs) return this.#pingIn(pingIntervalMs - silenceMs);
      if (!this.#isFull) this.#append(writer.ping);
      this.#pingIn(pingIntervalMs);
    }, ms);
  }

  /** Waits until the consumer takes more, or the body is destroyed. */
  async #room(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
