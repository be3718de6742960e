import type { ApiError } from '../../http/errors.ts';
import { type EventWriter, toEvent } from '../../http/event-stream.ts';
import {
  endedWithoutResult,
  type ReplyDelta,
  type ReplyEvent,
  type ReplyFinish,
} from '../../reply/reply-events.ts';
import type { ReplyPart } from '../../reply/text-display.ts';
import { OpenItem } from './open-item.ts';
import {
  emptyResponse,
  endedResponse,
  ItemIds,
  type ResponseContext,
  toLogprobs,
} from './reply-parts.ts';
import type { ItemStatus, OutputItem, ResponseEvent, ResponseLogprobs } from './reply-schema.ts';

/**
 * Renders a reply as the numbered events of a response: it adds, fills and ends one item after the other, and ends with
 * the whole response. A failure is the event `response.failed`, and the last one.
 */
export class ResponseStream implements EventWriter {
  /** A comment, which has no number. */
  readonly ping = ': ping\n\n';
  readonly #context: ResponseContext;
  readonly #ids: ItemIds;
  readonly #output: OutputItem[] = [];
  #open: OpenItem | null = null;
  #number = 0;
  #isStarted = false;
  #isComplete = false;

  constructor(context: ResponseContext) {
    this.#context = context;
    this.#ids = new ItemIds(context);
  }

  write(event: ReplyEvent): string {
    return this.#numbered(this.#eventsOf(event));
  }

  end(): string {
    if (!this.#isComplete) throw endedWithoutResult();
    return '';
  }

  fail(failure: ApiError): string {
    const response = {
      ...emptyResponse(this.#context),
      status: 'failed' as const,
      error: { code: 'server_error', message: failure.message },
      output: this.#output,
    };
    return this.#numbered([{ type: 'response.failed', response }]);
  }

  #eventsOf(event: ReplyEvent): ResponseEvent[] {
    switch (event.type) {
      case 'decision':
        return this.#start();
      case 'delta':
        return [...this.#start(), ...this.#delta(event)];
      case 'finish':
        return [
          ...this.#start(),
          ...event.parts.flatMap((part) => this.#part(part, null)),
          ...this.#finish(event),
        ];
    }
  }

  #start(): ResponseEvent[] {
    if (this.#isStarted) return [];
    this.#isStarted = true;
    const response = emptyResponse(this.#context);
    return [
      { type: 'response.created', response },
      { type: 'response.in_progress', response },
    ];
  }

  #delta({ parts, token }: ReplyDelta): ResponseEvent[] {
    const { topLogprobs } = this.#context.completion.request;
    const logprobs = topLogprobs === null ? null : toLogprobs(token, this.#context);
    const [first, ...rest] = parts;
    return [...this.#part(first, logprobs), ...rest.flatMap((part) => this.#part(part, null))];
  }

  /** @param logprobs of the token that wrote the part; they go into the message, with its text or alone */
  #part(part: ReplyPart | undefined, logprobs: ResponseLogprobs | null): ResponseEvent[] {
    switch (part?.type) {
      case undefined:
        return this.#message('', logprobs);
      case 'reasoning':
        return [...this.#fill('reasoning', part.text, []), ...this.#message('', logprobs)];
      case 'content':
        return this.#message(part.text, logprobs);
      case 'tool_call': {
        const { id: callId, name } = part;
        const head = { type: 'function_call' as const, callId, name };
        return [...this.#message('', logprobs), ...this.#begin(head)];
      }
      case 'tool_arguments':
        return [...this.#message('', logprobs), ...(this.#open?.fill(part.text, []) ?? [])];
    }
  }

  #message(text: string, logprobs: ResponseLogprobs | null): ResponseEvent[] {
    return text === '' && logprobs === null ? [] : this.#fill('message', text, logprobs ?? []);
  }

  #fill(type: 'reasoning' | 'message', text: string, logprobs: ResponseLogprobs): ResponseEvent[] {
    const begun = this.#open?.type === type ? [] : this.#begin({ type });
    return [...begun, ...(this.#open?.fill(text, logprobs) ?? [])];
  }

  #begin(head: ConstructorParameters<typeof OpenItem>[0]): ResponseEvent[] {
    const done = this.#done('completed');
    const place = { ids: this.#ids, index: this.#output.length, context: this.#context };
    this.#open = new OpenItem(head, place);
    return [...done, ...this.#open.begin()];
  }

  #done(status: ItemStatus): ResponseEvent[] {
    if (this.#open === null) return [];
    const events = this.#open.end(status);
    this.#output.push(this.#open.item(status));
    this.#open = null;
    return events;
  }

  #finish(finish: ReplyFinish): ResponseEvent[] {
    const done = this.#done(finish.reason === 'length' ? 'incomplete' : 'completed');
    const response = endedResponse(this.#context, this.#output, finish);
    const isComplete = response.status === 'completed';
    this.#isComplete = true;
    return [...done, { type: isComplete ? 'response.completed' : 'response.incomplete', response }];
  }

  #numbered(events: readonly ResponseEvent[]): string {
    return events
      .map((event) => {
        const numbered = { ...event, sequence_number: this.#number };
        this.#number += 1;
        return `event: ${event.type}\n${toEvent(numbered)}`;
      })
      .join('');
  }
}
