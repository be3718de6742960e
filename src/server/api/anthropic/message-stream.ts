import type { ApiError } from '../../http/errors.ts';
import { type EventWriter, toEvent } from '../../http/event-stream.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import type { ChoiceEvent } from '../../reply/run-generations.ts';
import { endedWithoutResult, toUsage } from '../openai-chat/completion-parts.ts';
import type { ChunkChoice, ThinkingDecision, Usage } from '../openai-chat/response-schema.ts';
import { ChoiceChunks } from '../openai-chat/stream-completion.ts';
import { toAnthropicError } from './error-body.ts';
import {
  messageHead,
  SIGNATURE,
  type ThinkingDisplay,
  toMessageUsage,
  toolUse,
  toStopReason,
} from './reply-parts.ts';
import type { AnthropicEvent, ReplyBlock } from './reply-schema.ts';

type Delta = ChunkChoice['delta'];
type BlockDelta = Extract<AnthropicEvent, { type: 'content_block_delta' }>['delta'];

/**
 * The events of a message: one block after the other, each started, filled and stopped, and in the end why the message
 * ended, with its usage. A failure is an `error` event, after which nothing comes.
 */
export class MessageStream implements EventWriter {
  readonly ping = toNamedEvent({ type: 'ping' });
  readonly #context: ReplyContext;
  readonly #display: ThinkingDisplay;
  readonly #choice: ChoiceChunks;
  #open: ReplyBlock['type'] | null = null;
  #openCall = -1;
  #index = -1;
  #finish: ChunkChoice | null = null;
  #isComplete = false;

  constructor(context: ReplyContext, display: ThinkingDisplay) {
    this.#context = context;
    this.#display = display;
    this.#choice = new ChoiceChunks(0, context);
  }

  write({ event }: ChoiceEvent): string {
    const events = this.#choice.write(event).flatMap((choice) => this.#events(choice));
    if (event.type === 'finish') events.push(...this.#end(toUsage([event.usage])));
    return events.map(toNamedEvent).join('');
  }

  end(): string {
    if (!this.#isComplete) throw endedWithoutResult();
    return '';
  }

  fail(failure: ApiError): string {
    return toNamedEvent(toAnthropicError(failure));
  }

  #events(choice: ChunkChoice): AnthropicEvent[] {
    const { delta, thinking } = choice;
    const isFirst = delta.role !== undefined;
    if (choice.finish_reason !== null) this.#finish = choice;
    return [...(isFirst && thinking ? [this.#start(thinking)] : []), ...this.#delta(delta)];
  }

  /** Clients show at once what the prompt takes; what was found in the cache is known in the end. */
  #start(decision: ThinkingDecision): AnthropicEvent {
    const usage = toMessageUsage({
      prompt_tokens: this.#context.request.promptTokenIds.length,
      completion_tokens: 0,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    });
    const message = { ...messageHead(this.#context.identity, decision), usage };
    return { type: 'message_start', message };
  }

  #delta(delta: Delta): AnthropicEvent[] {
    const { reasoning_content: thinking, content, tool_calls: calls = [] } = delta;
    return [
      ...(thinking ? this.#thinking(thinking) : []),
      ...(content ? this.#text(content) : []),
      ...calls.flatMap((call) => this.#call(call)),
    ];
  }

  #thinking(thinking: string): AnthropicEvent[] {
    if (this.#display === 'hidden') return [];
    const begun =
      this.#open === 'thinking'
        ? []
        : this.#begin({ type: 'thinking', thinking: '', signature: '' });
    if (this.#display === 'omitted') return begun;
    return [...begun, this.#filled({ type: 'thinking_delta', thinking })];
  }

  #text(text: string): AnthropicEvent[] {
    const begun =
      this.#open === 'text' ? [] : this.#begin({ type: 'text', text: '', citations: null });
    return [...begun, this.#filled({ type: 'text_delta', text })];
  }

  #call({ index, id, function: call }: NonNullable<Delta['tool_calls']>[number]): AnthropicEvent[] {
    const events: AnthropicEvent[] = [];
    if (this.#open !== 'tool_use' || this.#openCall !== index) {
      events.push(...this.#begin(toolUse({ id: id ?? '', name: call.name ?? '' }, {})));
      this.#openCall = index;
    }
    const { arguments: json } = call;
    if (json !== '') events.push(this.#filled({ type: 'input_json_delta', partial_json: json }));
    return events;
  }

  #begin(block: ReplyBlock): AnthropicEvent[] {
    const ended = this.#stop();
    this.#open = block.type;
    this.#index += 1;
    return [...ended, { type: 'content_block_start', index: this.#index, content_block: block }];
  }

  #filled(delta: BlockDelta): AnthropicEvent {
    return { type: 'content_block_delta', index: this.#index, delta };
  }

  #stop(): AnthropicEvent[] {
    if (this.#open === null) return [];
    const signed =
      this.#open === 'thinking'
        ? [this.#filled({ type: 'signature_delta', signature: SIGNATURE })]
        : [];
    this.#open = null;
    return [...signed, { type: 'content_block_stop', index: this.#index }];
  }

  #end(usage: Usage): AnthropicEvent[] {
    const finish = this.#finish;
    if (finish === null || finish.finish_reason === null) return [];
    this.#isComplete = true;
    const { finish_reason, stop_reason = null, thinking } = finish;
    return [
      ...this.#stop(),
      {
        type: 'message_delta',
        delta: {
          stop_reason: toStopReason({ finish_reason, stop_reason }),
          stop_sequence: stop_reason,
          stop_details: null,
          container: null,
        },
        usage: toMessageUsage(usage),
        ...(thinking && { decision: thinking }),
      },
      { type: 'message_stop' },
    ];
  }
}

function toNamedEvent(event: AnthropicEvent): string {
  return `event: ${event.type}\n${toEvent(event)}`;
}
