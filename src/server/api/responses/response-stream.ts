import type { ApiError } from '../../http/errors.ts';
import { type EventWriter, toEvent } from '../../http/event-stream.ts';
import type { ChoiceEvent } from '../../reply/run-generations.ts';
import { endedWithoutResult, toUsage } from '../openai-chat/completion-parts.ts';
import type { ChunkChoice } from '../openai-chat/response-schema.ts';
import { ChoiceChunks } from '../openai-chat/stream-completion.ts';
import { OpenItem } from './open-item.ts';
import {
  emptyResponse,
  endedResponse,
  ItemIds,
  type ResponseContext,
  toLogprobs,
} from './reply-parts.ts';
import type { ItemStatus, OutputItem, ResponseEvent } from './reply-schema.ts';

type Delta = ChunkChoice['delta'];

/**
 * The events of a response, numbered: one item after the other, each added, filled and done, and in the end the whole
 * response. A failure is the event `response.failed`, after which nothing comes.
 */
export class ResponseStream implements EventWriter {
  /** A comment: it has no number. */
  readonly ping = ': ping\n\n';
  readonly #context: ResponseContext;
  readonly #choice: ChoiceChunks;
  readonly #ids: ItemIds;
  readonly #output: OutputItem[] = [];
  #open: OpenItem | null = null;
  #number = 0;
  #isComplete = false;

  constructor(context: ResponseContext) {
    this.#context = context;
    this.#choice = new ChoiceChunks(0, context.completion);
    this.#ids = new ItemIds(context);
  }

  write({ event }: ChoiceEvent): string {
    const choices = this.#choice.write(event);
    const events = choices.flatMap((choice) => this.#events(choice));
    const last = choices.at(-1);
    if (event.type === 'finish' && last !== undefined) {
      const finishReason = last.finish_reason ?? 'stop';
      const usage = toUsage([event.usage]);
      events.push(...this.#done(finishReason === 'length' ? 'incomplete' : 'completed'));
      const response = endedResponse(this.#context, {
        output: this.#output,
        finishReason,
        usage,
        thinking: last.thinking ?? null,
      });
      const isComplete = response.status === 'completed';
      events.push({ type: isComplete ? 'response.completed' : 'response.incomplete', response });
      this.#isComplete = true;
    }
    return this.#numbered(events);
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

  #events(choice: ChunkChoice): ResponseEvent[] {
    const isFirst = choice.delta.role !== undefined;
    return [...(isFirst ? this.#begun() : []), ...this.#delta(choice)];
  }

  #begun(): ResponseEvent[] {
    const response = emptyResponse(this.#context);
    return [
      { type: 'response.created', response },
      { type: 'response.in_progress', response },
    ];
  }

  #delta({ delta, logprobs }: ChunkChoice): ResponseEvent[] {
    const { reasoning_content: thinking, content, tool_calls: calls = [] } = delta;
    const events: ResponseEvent[] = [];
    if (thinking) events.push(...this.#fill('reasoning', thinking));
    if (content || logprobs?.content.length) {
      events.push(...this.#fill('message', content ?? '', logprobs));
    }
    return [...events, ...calls.flatMap((call) => this.#call(call))];
  }

  #fill(
    type: 'reasoning' | 'message',
    text: string,
    logprobs: ChunkChoice['logprobs'] = null,
  ): ResponseEvent[] {
    const begun = this.#open?.type === type ? [] : this.#begin({ type });
    return [...begun, ...(this.#open?.fill(text, toLogprobs(logprobs)) ?? [])];
  }

  #call({ id, function: call }: NonNullable<Delta['tool_calls']>[number]): ResponseEvent[] {
    const begun =
      id === undefined
        ? []
        : this.#begin({ type: 'function_call', callId: id, name: call.name ?? '' });
    return call.arguments === ''
      ? begun
      : [...begun, ...(this.#open?.fill(call.arguments, []) ?? [])];
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
