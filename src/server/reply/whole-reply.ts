import type { GenerationEvent, TokenEvent } from '../../engine/generation.ts';
import type { ReplyContext } from './reply-context.ts';
import {
  endedWithoutResult,
  type ReplyEvent,
  type ReplyFinish,
  ReplyReader,
} from './reply-events.ts';
import type { ReplyPart } from './text-display.ts';

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** As the model wrote them: JSON, unless the reply was cut off within the call. */
  readonly arguments: string;
}

/** The parts of a reply, joined. */
export interface JoinedParts {
  readonly reasoning: string;
  readonly content: string;
  readonly toolCalls: readonly ToolCall[];
}

/** One choice of a reply, complete. */
export interface WholeReply extends JoinedParts {
  /** Tokens, for their log-probabilities; empty when the client did not ask for any. */
  readonly tokens: readonly TokenEvent[];
  readonly finish: ReplyFinish;
}

/**
 * Reads all events of a reply.
 * @returns its choices
 * @throws ApiError when a generation failed or was stopped
 */
export async function collectReply(
  events: AsyncIterable<ReplyEvent>,
  context: Pick<ReplyContext, 'numChoices' | 'request'>,
): Promise<readonly WholeReply[]> {
  const { numChoices } = context;
  const collectors = Array.from({ length: numChoices }, () => new ReplyCollector(context));
  for await (const event of events) collectors[event.choice]?.add(event);
  return collectors.map((collector) => collector.finish());
}

/**
 * The reply that the events of one generation make.
 * @param thought thinking from before the generation
 * @throws ApiError when the generation failed or was stopped
 */
export function replyOf(
  events: readonly GenerationEvent[],
  context: ReplyContext,
  thought: string,
): WholeReply {
  const reader = new ReplyReader(0, context);
  const collector = new ReplyCollector(context, reader.startWith(thought));
  for (const event of events) collector.add(reader.read(event));
  return collector.finish();
}

class ReplyCollector {
  readonly #keepsTokens: boolean;
  readonly #parts: ReplyPart[];
  readonly #tokens: TokenEvent[] = [];
  #finish: ReplyFinish | null = null;

  constructor({ request }: Pick<ReplyContext, 'request'>, parts: readonly ReplyPart[] = []) {
    this.#keepsTokens = request.topLogprobs !== null;
    this.#parts = [...parts];
  }

  add(event: ReplyEvent): void {
    if (event.type === 'decision') return;
    this.#parts.push(...event.parts);
    if (event.type === 'finish') this.#finish = event;
    else if (this.#keepsTokens) this.#tokens.push(event.token);
  }

  finish(): WholeReply {
    const finish = this.#finish;
    if (finish === null) throw endedWithoutResult();
    return { ...joinParts(this.#parts), tokens: this.#tokens, finish };
  }
}

export function joinParts(parts: readonly ReplyPart[]): JoinedParts {
  const textOf = (type: 'reasoning' | 'content'): string =>
    parts.map((part) => (part.type === type ? part.text : '')).join('');
  const argumentsOf = (index: number): string =>
    parts
      .map((part) => (part.type === 'tool_arguments' && part.index === index ? part.text : ''))
      .join('');
  const toolCalls = parts
    .filter((part) => part.type === 'tool_call')
    .map(({ index, id, name }) => ({ id, name, arguments: argumentsOf(index) }));
  return { reasoning: textOf('reasoning'), content: textOf('content'), toolCalls };
}
