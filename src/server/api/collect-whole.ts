import { endedWithoutResult } from '../reply/reply-events.ts';
import { collectReply, type WholeReply } from '../reply/whole-reply.ts';
import type { Exchange, StartedGeneration } from '../request/start-generation.ts';
import { thinkingHeaders } from './thinking-report.ts';

/**
 * Collects a chat reply that is not streamed, ends its observation and sets the thinking headers, which are about the
 * first choice.
 * @throws ApiError when a generation failed or was stopped
 */
export async function collectWhole(
  { events, completion }: StartedGeneration,
  { reply, observation }: Exchange,
): Promise<readonly [WholeReply, ...WholeReply[]]> {
  const [first, ...others] = await collectReply(events, completion);
  if (first === undefined) throw endedWithoutResult();
  observation.end(200);
  reply.headers(thinkingHeaders(first.finish.thinking.decision, completion));
  return [first, ...others];
}
