import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { thinkingHeaders, toFinishReason } from '../api/openai-chat/completion-parts.ts';
import type { Exchange, StartedGeneration } from '../request/start-generation.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import { CATALOGUE } from './errors.ts';
import { gathered } from './gathered.ts';
import type { RouteContext } from './route-context.ts';
import { type EventWriter, serverSentEvents } from './server-sent-events.ts';
import type { HttpSettings } from './settings.ts';
import { withPings } from './with-pings.ts';

/**
 * Every write is a system call for a few bytes: the events of one step make one, and from a model so fast that its
 * steps come more often, those of this long; the first few tokens are never held up.
 */
const WRITES = { intervalMs: 5, burst: 4 };

/**
 * Answers with an event stream. Waits for the first event, the decision, which comes before any token, so that the
 * headers can name it; never longer than a ping.
 * @throws ApiError where the generation failed before its first token: there is still a status to say it with
 */
export async function sendEventStream(
  { events, completion, signal }: StartedGeneration,
  { reply, observation, writer }: Exchange & { readonly writer: EventWriter },
  context: RouteContext,
): Promise<Readable> {
  const items = withPings(events, context.settings.pingIntervalMs);
  const first = await items.next();
  const head = first.done === true || first.value === 'ping' ? undefined : first.value.event;
  if (head?.type === 'finish') {
    await items.return();
    toFinishReason(head, false);
  }
  reply.headers(thinkingHeaders(head?.type === 'decision' ? head : null, completion));
  setStreamHeaders(reply);
  dropWhenStuck(reply, observation, context.settings);
  const texts = serverSentEvents({ first, items, writer, observation, signal, context });
  const stream = Readable.from(gathered(texts, WRITES));
  // A generator that was never started runs no `finally`: the client may have left before the first chunk.
  stream.once('close', () => {
    const gaveUp = (): void => observation.end(499, 'client_closed_request');
    items.return().then(gaveUp, gaveUp);
  });
  return stream;
}

/**
 * A stream is written to at every ping at least, so a connection on which nothing moves for longer has a reader that
 * does not read: it is closed, which ends its generation.
 */
function dropWhenStuck(
  { raw }: FastifyReply,
  observation: RequestObservation,
  { slowReaderMs, pingIntervalMs }: Pick<HttpSettings, 'pingIntervalMs' | 'slowReaderMs'>,
): void {
  raw.setTimeout(Math.max(slowReaderMs, 2 * pingIntervalMs), () => {
    observation.end(CATALOGUE.client_too_slow.status, 'client_too_slow');
    raw.destroy();
  });
}

function setStreamHeaders(reply: FastifyReply): void {
  reply.headers({
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
    'content-type': 'text/event-stream; charset=utf-8',
  });
}
