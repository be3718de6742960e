import type { Decision } from '../../../engine/thinking/decision.ts';
import type { ApiError } from '../../http/errors.ts';
import { type EventWriter, toEvent } from '../../http/event-stream.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import { endedWithoutResult, type ReplyEvent, type ReplyFinish } from '../../reply/reply-events.ts';
import type { ReplyPart } from '../../reply/text-display.ts';
import { toThinkingDecision, toThinkingReport } from '../thinking-report.ts';
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

type BlockDelta = Extract<AnthropicEvent, { type: 'content_block_delta' }>['delta'];

/**
 * Renders a reply as the events of a message: it starts, fills and stops one block after the other, and ends with the
 * stop reason and the usage. A failure is an `error` event, and the last one.
 */
export class MessageStream implements EventWriter {
  readonly ping = toNamedEvent({ type: 'ping' });
  readonly #context: ReplyContext;
  readonly #display: ThinkingDisplay;
  #open: ReplyBlock['type'] | null = null;
  #index = -1;
  #isStarted = false;
  #isComplete = false;

  constructor(context: ReplyContext, display: ThinkingDisplay) {
    this.#context = context;
    this.#display = display;
  }

  write(event: ReplyEvent): string {
    return this.#eventsOf(event).map(toNamedEvent).join('');
  }

  end(): string {
    if (!this.#isComplete) throw endedWithoutResult();
    return '';
  }

  fail(failure: ApiError): string {
    return toNamedEvent(toAnthropicError(failure));
  }

  #eventsOf(event: ReplyEvent): AnthropicEvent[] {
    switch (event.type) {
      case 'decision':
        return this.#start(event.decision);
      case 'delta':
        return [...this.#start(null), ...this.#parts(event.parts)];
      case 'finish':
        return [...this.#start(null), ...this.#parts(event.parts), ...this.#end(event)];
    }
  }

  /** Clients show at once what the prompt costs. How much of it came from the cache is known only at the end. */
  #start(decision: Decision | null): AnthropicEvent[] {
    if (this.#isStarted) return [];
    this.#isStarted = true;
    const { identity, request } = this.#context;
    const usage = toMessageUsage({
      promptTokens: request.promptTokenIds.length,
      cachedTokens: 0,
      completionTokens: 0,
      reasoningTokens: 0,
    });
    const head = messageHead(identity, toThinkingDecision(decision, this.#context));
    return [{ type: 'message_start', message: { ...head, usage } }];
  }

  #parts(parts: readonly ReplyPart[]): AnthropicEvent[] {
    return parts.flatMap((part) => this.#part(part));
  }

  #part(part: ReplyPart): AnthropicEvent[] {
    switch (part.type) {
      case 'reasoning':
        return this.#thinking(part.text);
      case 'content':
        return this.#text(part.text);
      case 'tool_call':
        return this.#begin(toolUse(part, {}));
      case 'tool_arguments':
        return [this.#filled({ type: 'input_json_delta', partial_json: part.text })];
    }
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

  #end(finish: ReplyFinish): AnthropicEvent[] {
    this.#isComplete = true;
    return [
      ...this.#stop(),
      {
        type: 'message_delta',
        delta: {
          stop_reason: toStopReason(finish),
          stop_sequence: finish.stopString,
          stop_details: null,
          container: null,
        },
        usage: toMessageUsage(finish.usage),
        decision: toThinkingReport(finish, this.#context),
      },
      { type: 'message_stop' },
    ];
  }
}

function toNamedEvent(event: AnthropicEvent): string {
  return `event: ${event.type}\n${toEvent(event)}`;
}
