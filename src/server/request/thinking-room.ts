import type { Protocol } from '../../package/protocol.ts';
import { ApiError } from '../http/errors.ts';
import type { Continuation } from '../prompt/continuation.ts';
import type { ThinkingOptions } from './thinking-options.ts';
import { MIN_THINKING_TOKENS } from './thinking-policy.ts';

export interface Room {
  /** Most tokens to generate. */
  readonly maxTokens: number;
  /** Of these, tokens kept for the answer. */
  readonly answerFloor: number;
  /** Tokens of the text that closes the thinking. */
  readonly exitTokens: number;
}

/** Thinking tokens that fit before the closing text and the answer. */
function tokensToThink({ maxTokens, answerFloor, exitTokens }: Room): number {
  return maxTokens - answerFloor - exitTokens;
}

/**
 * A begun thought must be closed before it can be answered from.
 * @throws ApiError where closing it takes all there is
 */
export function assertRoomToAnswer(
  { section }: Pick<Continuation, 'section'>,
  { maxTokens, exitTokens }: Omit<Room, 'answerFloor'>,
): void {
  if (section === 'answer' || maxTokens > exitTokens) return;
  throw new ApiError(
    'thinking_conflict',
    `\`max_tokens\` and \`continue_final_message\` contradict: of ${maxTokens} tokens ${exitTokens} close the thinking that was begun, so none is left for the answer.`,
    { param: 'max_tokens' },
  );
}

/**
 * Whether too little room is left to think, so that the answer had better come directly. Thinking that the request or
 * the operator insists on is only given up where not one token of it fits.
 * @throws ApiError where the request insists, or the model cannot answer directly, and nothing fits
 */
export function isTooSmallToThink(
  options: Pick<ThinkingOptions, 'requested' | 'source' | 'budget' | 'askedBy'>,
  room: Room,
  { protocol, insists }: { readonly protocol: Pick<Protocol, 'modes'>; readonly insists: boolean },
): boolean {
  const { requested, source, budget, askedBy } = options;
  if (requested === 'fast') return false;
  const fits = tokensToThink(room);
  const effective = Math.min(budget ?? fits, fits);
  if (effective >= MIN_THINKING_TOKENS) return false;
  const isForced = requested === 'think' && (source === 'request' || insists);
  if (isForced && effective > 0) return false;
  const mayAnswer = protocol.modes.fast !== undefined;
  if (mayAnswer && !(isForced && source === 'request')) return true;
  if (effective > 0) return false;
  const { maxTokens, answerFloor, exitTokens } = room;
  const field = askedBy ?? 'thinking_mode';
  throw new ApiError(
    'thinking_conflict',
    `\`max_tokens\` and \`${field}\` contradict: of ${maxTokens} tokens ${answerFloor} are kept for the answer and ${exitTokens} close the thinking, so none is left to think.`,
    { param: 'max_tokens' },
  );
}
