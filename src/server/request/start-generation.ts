import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { EngineUnavailableError } from '../engines/engine-client.ts';
import { disconnectSignal } from '../http/disconnect-signal.ts';
import { modeOfName } from '../http/model-names.ts';
import type { RouteContext } from '../http/route-context.ts';
import { type ReplyContext, type ReplyIdentity, replyContext } from '../reply/reply-context.ts';
import type { ReplyEvent } from '../reply/reply-events.ts';
import { runGenerations } from '../reply/run-generations.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import { choiceRequests, resolveChoices } from './choice-requests.ts';
import {
  type GenerationContext,
  type PreparedGeneration,
  prepareGeneration,
} from './generation-request.ts';
import type { ControlSource } from './thinking-wishes.ts';

const NOT_READY_RETRY_SECONDS = 2;

/** A request to generate, as every endpoint puts it: in the words of the chat endpoint. */
export interface GenerationCall extends Omit<ControlSource, 'alias'> {
  /** What the completion's id begins with. */
  readonly idPrefix: string;
}

export interface Exchange {
  readonly reply: FastifyReply;
  readonly observation: RequestObservation;
}

export interface StartedGeneration {
  /** Seen by the observation on their way. To stop reading them stops the work. */
  readonly events: AsyncGenerator<ReplyEvent, void, undefined>;
  readonly completion: ReplyContext;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

/** A request that is prepared; the engine knows nothing of it yet. */
export interface BegunGeneration {
  readonly identity: ReplyIdentity;
  readonly source: ControlSource;
  readonly generation: GenerationContext;
  readonly prepared: PreparedGeneration;
  /** Time the prompt and its images took. */
  readonly prepareMs: number;
}

/**
 * Prepares a request, and sees to it that what it has started ends with its client.
 * @throws ApiError for what the client can mend; ChatInputError for its images; EngineUnavailableError
 */
export async function beginGeneration(
  { body, header, idPrefix }: GenerationCall,
  { reply }: Pick<Exchange, 'reply'>,
  context: RouteContext,
): Promise<BegunGeneration> {
  const signal = disconnectSignal(reply);
  const { model, settings } = context;
  const source = { body, header, alias: modeOfName(body.model, model) };
  // Before the images are looked at: they are the dear part.
  assertReady(context);
  const id = `${idPrefix}-${randomUUID().replaceAll('-', '')}`;
  const startedAt = performance.now();
  const quotas = reply.request.caller?.quotas ?? null;
  const generation = { id, model, settings, loadBias: context.loadBias(), quotas, signal };
  const prepared = await prepareGeneration(source, generation);
  if (prepared.isQuotaFallback) reply.header('x-thinking-fallback', 'quota');
  return {
    identity: { id, created: Math.floor(Date.now() / 1000), model: model.id },
    source,
    generation,
    prepared,
    prepareMs: performance.now() - startedAt,
  };
}

/**
 * From a checked body to the stream of its events. The engine is asked when the first event is.
 * @throws ApiError for what the client can mend; ChatInputError for its images; EngineUnavailableError
 */
export async function startGeneration(
  call: GenerationCall,
  exchange: Exchange,
  context: RouteContext,
): Promise<StartedGeneration> {
  const { model, settings, running } = context;
  const numChoices = resolveChoices(call.body, settings);
  const { identity, generation, prepared, prepareMs } = await beginGeneration(
    call,
    exchange,
    context,
  );
  const { quotas, signal } = generation;
  const { observation } = exchange;
  const stream = call.body.stream === true;
  observation.prepared({ ...prepared, model: model.id, stream, numChoices, prepareMs });
  const requests = choiceRequests(prepared.request, numChoices);
  const completion = replyContext({ identity, prepared, numChoices }, model);
  const run = { reply: completion, requests, signal, observation, quotas: quotas ?? null };
  return { events: runGenerations(run, { model, running }), completion, signal };
}

/** @throws EngineUnavailableError before anything dear is done for a request that has to come again */
export function assertReady({ model }: Pick<RouteContext, 'model'>): void {
  if (model.engine.status().state === 'ready') return;
  throw new EngineUnavailableError('not_ready', NOT_READY_RETRY_SECONDS);
}
