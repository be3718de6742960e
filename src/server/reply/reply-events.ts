import type {
  FinishEvent,
  GenerationEvent,
  TokenEvent,
  TokenUsage,
} from '../../engine/generation.ts';
import type { Decision } from '../../engine/thinking/decision.ts';
import type { TextPiece } from '../../engine/thinking/section-parser.ts';
import { ApiError } from '../http/errors.ts';
import type { ReplyContext } from './reply-context.ts';
import { type ReplyPart, TextDisplay } from './text-display.ts';
import { openAnswerReader } from './tool-calls/open-answer-reader.ts';

/** Why a choice ended. Whatever a limit of tokens or of time cut off is `length`. */
export type ReplyFinishReason = 'stop' | 'length' | 'tool_calls';

/** The model chose, or was made, to think or to answer directly. At most one, before all other events. */
export interface ReplyDecision {
  readonly type: 'decision';
  /** Position of the choice in the reply. */
  readonly choice: number;
  readonly decision: Decision;
}

/** One token, with the parts that became certain with it. */
export interface ReplyDelta {
  readonly type: 'delta';
  readonly choice: number;
  readonly parts: readonly ReplyPart[];
  readonly token: TokenEvent;
}

/** The last event of a choice, with the parts that were held back until the end. */
export interface ReplyFinish {
  readonly type: 'finish';
  readonly choice: number;
  readonly parts: readonly ReplyPart[];
  readonly reason: ReplyFinishReason;
  /** The stop string that matched; null for none. */
  readonly stopString: string | null;
  /** How the thinking went. */
  readonly thinking: Pick<FinishEvent, 'thinkingEnd' | 'budget'> & {
    readonly decision: Decision | null;
  };
  readonly usage: TokenUsage;
}

/** The events of a reply. Each API renders them as its own events, or as one whole reply. */
export type ReplyEvent = ReplyDecision | ReplyDelta | ReplyFinish;

/** Turns the engine's events of one choice into reply events, one for one. */
export class ReplyReader {
  readonly #choice: number;
  readonly #display: TextDisplay;
  #decision: Decision | null = null;
  #hasToolCalls = false;

  constructor(choice: number, { display, tags, tools }: ReplyContext) {
    this.#choice = choice;
    const answer = tools === null ? null : openAnswerReader(tools);
    this.#display = new TextDisplay({ display, tags, answer });
  }

  /** @returns parts that show `text` as thinking from before the generation */
  startWith(text: string): readonly ReplyPart[] {
    return this.#show([{ section: 'reasoning', text }]);
  }

  /** @throws ApiError when the event says that the generation failed or was stopped */
  read(event: GenerationEvent): ReplyEvent {
    const choice = this.#choice;
    switch (event.type) {
      case 'decision':
        this.#decision = event;
        return { type: 'decision', choice, decision: event };
      case 'token':
        return { type: 'delta', choice, parts: this.#show(event.pieces), token: event };
      case 'finish':
        return this.#finish(event);
    }
  }

  #show(pieces: readonly TextPiece[]): readonly ReplyPart[] {
    const parts = this.#display.show(pieces);
    this.#hasToolCalls ||= parts.some(({ type }) => type === 'tool_call');
    return parts;
  }

  #finish(event: FinishEvent): ReplyFinish {
    const shown = this.#show(event.pieces);
    const rest = this.#display.end();
    this.#hasToolCalls ||= rest.some(({ type }) => type === 'tool_call');
    const { thinkingEnd, budget, stopString, usage } = event;
    return {
      type: 'finish',
      choice: this.#choice,
      parts: [...shown, ...rest],
      reason: finishReasonOf(event, this.#hasToolCalls),
      stopString,
      thinking: { thinkingEnd, budget, decision: this.#decision },
      usage,
    };
  }
}

/** @throws ApiError when the generation did not come to its own end */
export function finishReasonOf(finish: FinishEvent, hasToolCalls: boolean): ReplyFinishReason {
  switch (finish.reason) {
    case 'stop':
      return hasToolCalls ? 'tool_calls' : 'stop';
    case 'length':
    case 'timeout':
      return 'length';
    case 'abort':
      throw new ApiError('generation_aborted', 'The generation was stopped before its end.', {
        retryAfterSeconds: 1,
      });
    case 'error':
      throw new ApiError('engine_error', finish.message ?? 'The engine failed.', {
        cause: finish.detail ?? undefined,
      });
  }
}

/** The error of a generation whose events ended before their `finish`. */
export function endedWithoutResult(): ApiError {
  return new ApiError('engine_error', 'The engine ended without a result.');
}

/** Counts of a reply whose choices share one prompt. The prompt counts once. */
export function usageOfChoices(choices: readonly TokenUsage[]): TokenUsage {
  const [first] = choices;
  return {
    ...usageOfCalls(choices),
    promptTokens: first?.promptTokens ?? 0,
    imageTokens: first?.imageTokens ?? 0,
    // The first choice to be processed computes the prompt. The others find all of it in the cache.
    cachedTokens: Math.min(...choices.map(({ cachedTokens }) => cachedTokens)),
  };
}

/** Counts of several calls, each with its own prompt. */
export function usageOfCalls(calls: readonly TokenUsage[]): TokenUsage {
  const sum = (read: (usage: TokenUsage) => number): number =>
    calls.reduce((total, usage) => total + read(usage), 0);
  return {
    promptTokens: sum((usage) => usage.promptTokens),
    cachedTokens: sum((usage) => usage.cachedTokens),
    imageTokens: sum((usage) => usage.imageTokens),
    completionTokens: sum((usage) => usage.completionTokens),
    reasoningTokens: sum((usage) => usage.reasoningTokens),
    preambleTokens: sum((usage) => usage.preambleTokens),
  };
}
