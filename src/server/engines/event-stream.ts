import type { DecisionEvent, FinishEvent, GenerationEvent } from '../../engine/generation.ts';

/**
 * The same events, the decision together with what follows it: one that is known beforehand would tell a client of a
 * request that can still begin again.
 */
export async function* decisionLate(
  events: AsyncIterable<GenerationEvent>,
): AsyncGenerator<GenerationEvent> {
  let decision: DecisionEvent | null = null;
  for await (const event of events) {
    if (event.type === 'decision') {
      decision = event;
      continue;
    }
    if (decision !== null) yield decision;
    decision = null;
    yield event;
  }
}

/** The finish of a request that came to its engine `ms` after it came to the server. */
export function delayed(finish: FinishEvent, ms: number): FinishEvent {
  const { queueMs, totalMs, firstTokenMs, firstAnswerMs, ...rest } = finish.timing;
  return {
    ...finish,
    timing: {
      ...rest,
      queueMs: queueMs + ms,
      totalMs: totalMs + ms,
      firstTokenMs: firstTokenMs === null ? null : firstTokenMs + ms,
      firstAnswerMs: firstAnswerMs === null ? null : firstAnswerMs + ms,
    },
  };
}

/** Its time was over before it had anything to show: nothing is lost by trying again. */
export function isTooLate(event: GenerationEvent): boolean {
  return (
    event.type === 'finish' && event.reason === 'timeout' && event.usage.completionTokens === 0
  );
}
