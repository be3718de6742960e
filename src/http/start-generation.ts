import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { EngineUnavailableError } from '../engine/generation.ts';
import type { RequestObservation } from '../observability/request-observation.ts';
import { type ChoiceEvent, mergeChoices } from './choice-events.ts';
import { choiceRequests, resolveChoices } from './choice-requests.ts';
import type { CompletionContext } from './completion-parts.ts';
import { disconnectSignal } from './disconnect-signal.ts';
import { prepareGeneration } from './generation-request.ts';
import { modeOfName } from './model-names.ts';
import type { RouteContext } from './route-context.ts';
import { chargeThinking } from './thinking-quota.ts';
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
  readonly events: AsyncGenerator<ChoiceEvent, void, undefined>;
  readonly completion: CompletionContext;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

/**
 * From a checked body to the stream of its events. The engine is asked when the first event is.
 * @throws ApiError for what the client can mend; ChatInputError for its pictures; EngineUnavailableError
 */
export async function startGeneration(
  { body, header, idPrefix }: GenerationCall,
  { reply, observation }: Exchange,
  context: RouteContext,
): Promise<StartedGeneration> {
  const signal = disconnectSignal(reply);
  const { model, settings, running } = context;
  const numChoices = resolveChoices(body, settings);
  const alias = modeOfName(body.model, model);
  // Before the pictures are looked at: they are the dear part.
  assertReady(context);
  const id = `${idPrefix}-${randomUUID().replaceAll('-', '')}`;
  const startedAt = performance.now();
  const quotas = reply.request.caller?.quotas ?? null;
  const { request, asked, holdoutArm, display, tools, isQuotaFallback } = await prepareGeneration(
    { body, alias, header },
    { id, model, settings, loadBias: context.loadBias(), quotas, signal },
  );
  if (isQuotaFallback) reply.header('x-thinking-fallback', 'quota');
  const stream = body.stream === true;
  const prepareMs = performance.now() - startedAt;
  const facts = { model: model.id, stream, numChoices, request, asked, holdoutArm };
  observation.prepared({ ...facts, isQuotaFallback, prepareMs });
  const stop = new AbortController();
  const generations = choiceRequests(request, numChoices).map((choice) => {
    running.add(id, choice.id);
    const generation = model.engine.generate(choice, AbortSignal.any([signal, stop.signal]));
    return observation.watch(chargeThinking(generation, quotas));
  });
  stop.signal.addEventListener('abort', () => running.delete(id), { once: true });
  return {
    events: mergeChoices(generations, stop),
    completion: {
      identity: { id, created: Math.floor(Date.now() / 1000), model: model.id },
      request,
      numChoices,
      requested: asked.requested,
      display,
      tags: model.manifest.thinking.tags,
      tools,
      tokens: model,
    },
    signal,
  };
}

function assertReady({ model }: Pick<RouteContext, 'model'>): void {
  if (model.engine.status().state === 'ready') return;
  throw new EngineUnavailableError('not_ready', NOT_READY_RETRY_SECONDS);
}
