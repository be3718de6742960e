import {
  type ItemIds,
  messageItem,
  type ResponseContext,
  reasoningItem,
  showsSummary,
  textPart,
} from './reply-parts.ts';
import type { ItemStatus, OutputItem, ResponseEvent, ResponseLogprobs } from './reply-schema.ts';

export type ItemHead =
  | { readonly type: 'reasoning' | 'message' }
  | { readonly type: 'function_call'; readonly callId: string; readonly name: string };

interface Place {
  readonly ids: ItemIds;
  /** Position of the item in the output. */
  readonly index: number;
  readonly context: ResponseContext;
}

const PREFIXES = { reasoning: 'rs', message: 'msg', function_call: 'fc' } as const;

/** An item of a response while it is written: its events and its content so far. */
export class OpenItem {
  readonly #head: ItemHead;
  readonly #context: ResponseContext;
  readonly #at: { readonly item_id: string; readonly output_index: number };
  readonly #logprobs: ResponseLogprobs = [];
  #text = '';

  constructor(head: ItemHead, { ids, index, context }: Place) {
    this.#head = head;
    this.#context = context;
    this.#at = { item_id: ids.next(PREFIXES[head.type]), output_index: index };
  }

  get type(): ItemHead['type'] {
    return this.#head.type;
  }

  begin(): ResponseEvent[] {
    const { output_index } = this.#at;
    const item = this.#item('in_progress', null);
    return [{ type: 'response.output_item.added', output_index, item }, ...this.#partAdded()];
  }

  /** @param logprobs log-probabilities of the tokens of the text */
  fill(delta: string, logprobs: ResponseLogprobs): ResponseEvent[] {
    this.#text += delta;
    this.#logprobs.push(...logprobs);
    switch (this.#part) {
      case 'call':
        return [{ type: 'response.function_call_arguments.delta', ...this.#at, delta }];
      case 'summary':
        return [
          {
            type: 'response.reasoning_summary_text.delta',
            ...this.#at,
            summary_index: 0,
            delta,
          },
        ];
      case 'thinking':
        return [{ type: 'response.reasoning_text.delta', ...this.#at, content_index: 0, delta }];
      case 'text':
        return [
          { type: 'response.output_text.delta', ...this.#at, content_index: 0, delta, logprobs },
        ];
    }
  }

  end(status: ItemStatus): ResponseEvent[] {
    const { output_index } = this.#at;
    const item = this.item(status);
    return [...this.#partDone(), { type: 'response.output_item.done', output_index, item }];
  }

  /** The item with its content so far. */
  item(status: ItemStatus): OutputItem {
    return this.#item(status, this.#text);
  }

  get #part(): 'call' | 'summary' | 'thinking' | 'text' {
    if (this.#head.type === 'function_call') return 'call';
    if (this.#head.type === 'message') return 'text';
    return showsSummary(this.#context) ? 'summary' : 'thinking';
  }

  /** @param text null before the first text */
  #item(status: ItemStatus, text: string | null): OutputItem {
    const { item_id: id } = this.#at;
    switch (this.#head.type) {
      case 'function_call': {
        const { callId, name } = this.#head;
        const call = { type: 'function_call' as const, id, call_id: callId, name, status };
        return { ...call, arguments: text ?? '' };
      }
      case 'reasoning':
        return reasoningItem(id, text, { status, context: this.#context });
      case 'message':
        return messageItem(id, text === null ? [] : [textPart(text, this.#logprobs)], status);
    }
  }

  #partAdded(): ResponseEvent[] {
    switch (this.#part) {
      case 'call':
        return [];
      case 'summary': {
        const part = { type: 'summary_text' as const, text: '' };
        const type = 'response.reasoning_summary_part.added' as const;
        return [{ type, ...this.#at, summary_index: 0, part }];
      }
      case 'thinking': {
        const part = { type: 'reasoning_text' as const, text: '' };
        return [{ type: 'response.content_part.added', ...this.#at, content_index: 0, part }];
      }
      case 'text': {
        const part = textPart('', []);
        return [{ type: 'response.content_part.added', ...this.#at, content_index: 0, part }];
      }
    }
  }

  #partDone(): ResponseEvent[] {
    const text = this.#text;
    const inContent = { ...this.#at, content_index: 0 };
    const inSummary = { ...this.#at, summary_index: 0 };
    switch (this.#part) {
      case 'call': {
        const name = this.#head.type === 'function_call' ? this.#head.name : '';
        const type = 'response.function_call_arguments.done' as const;
        return [{ type, ...this.#at, name, arguments: text }];
      }
      case 'summary': {
        const part = { type: 'summary_text' as const, text };
        return [
          { type: 'response.reasoning_summary_text.done', ...inSummary, text },
          { type: 'response.reasoning_summary_part.done', ...inSummary, part },
        ];
      }
      case 'thinking': {
        const part = { type: 'reasoning_text' as const, text };
        return [
          { type: 'response.reasoning_text.done', ...inContent, text },
          { type: 'response.content_part.done', ...inContent, part },
        ];
      }
      case 'text': {
        const logprobs = this.#logprobs;
        const part = textPart(text, logprobs);
        return [
          { type: 'response.output_text.done', ...inContent, text, logprobs },
          { type: 'response.content_part.done', ...inContent, part },
        ];
      }
    }
  }
}
