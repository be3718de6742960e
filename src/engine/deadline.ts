/** What a request's deadline means for it now. */
export type Deadline =
  /** There is none, or time enough. */
  | 'ahead'
  /** Only the time an answer takes is left: the thinking ends. */
  | 'near'
  | 'passed';

export interface DeadlineView {
  /** Most milliseconds from arrival to the last token; null for no limit. */
  readonly timeoutMs: number | null;
  readonly elapsedMs: number;
  /** What is to be kept for the answer, in tokens. */
  readonly answerTokens: number;
  /** Of this sequence so far; null before its second token. */
  readonly msPerToken: number | null;
}

/** Pure: the time comes from outside. */
export function deadlineOf(view: DeadlineView): Deadline {
  const { timeoutMs, elapsedMs, answerTokens, msPerToken } = view;
  if (timeoutMs === null) return 'ahead';
  const leftMs = timeoutMs - elapsedMs;
  if (leftMs <= 0) return 'passed';
  return msPerToken !== null && leftMs <= answerTokens * msPerToken ? 'near' : 'ahead';
}
