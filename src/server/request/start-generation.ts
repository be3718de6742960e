import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { EngineUnavailableError } from '../engines/engine-client.ts';
import { disconnectSignal } from '../http/exchange.ts';
import { modeOfName } from '../http/model-names.ts';
import type { RouteContext } from '../http/route-context.ts';
import type { ServedModel } from '../http/served-model.ts';
import { type ReplyContext, type ReplyIdentity, replyContext } from '../reply/reply-context.ts';
import type { ReplyEvent } from '../reply/reply-events.ts';
import { runGenerations } from '../reply/run-generations.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import type { ChatRequest } from './chat-request.ts';
import {
  choiceRequests,
  type GenerationContext,
  type PreparedGeneration,
  prepareGeneration,
} from './generation-request.ts';
import { resolveChoices } from './limits.ts';
import { type ModeWord, modeControl, namedControls } from './thinking-controls.ts';

const NOT_READY_RETRY_SECONDS = 2;

/** A request to generate, from any API. */
export interface GenerationCall {
  readonly chat: ChatRequest;
  /** Header `x-thinking-mode`. */
  readonly header: ModeWord | null;
  /** The completion's id begins with it. */
  readonly idPrefix: string;
}

export interface Exchange {
  readonly reply: FastifyReply;
  readonly observation: RequestObservation;
}

export interface StartedGeneration {
  /** The observation sees them on their way. A reader that stops stops the work. */
  readonly events: AsyncGenerator<ReplyEvent, void, undefined>;
  readonly completion: ReplyContext;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

/** A request that is prepared; the engine does not know it yet. */
export interface BegunGeneration {
  readonly identity: ReplyIdentity;
  readonly chat: ChatRequest;
  readonly generation: GenerationContext;
  readonly prepared: PreparedGeneration;
  /** Time for the prompt and its images. */
  readonly prepareMs: number;
}

/**
 * Prepares a request. Everything that it starts ends when its client goes away.
 * @throws ApiError and ChatInputError for what the client can fix; EngineUnavailableError
 */
export async function beginGeneration(
  { chat, header, idPrefix }: GenerationCall,
  { reply }: Pick<Exchange, 'reply'>,
  context: RouteContext,
  { joinsHoldout }: Pick<GenerationContext, 'joinsHoldout'>,
): Promise<BegunGeneration> {
  const signal = disconnectSignal(reply);
  const { model, settings } = context;
  const controlled = withControlsBesideBody(chat, header, model);
  // Checked before the images are loaded, which is expensive.
  assertReady(context);
  const id = `${idPrefix}-${randomUUID().replaceAll('-', '')}`;
  const startedAt = performance.now();
  const quotas = reply.request.caller?.quotas ?? null;
  const loadBias = context.loadBias();
  const generation = { id, model, settings, loadBias, quotas, joinsHoldout, signal };
  const prepared = await prepareGeneration(controlled, generation);
  if (prepared.isQuotaFallback) reply.header('x-thinking-fallback', 'quota');
  return {
    identity: { id, created: Math.floor(Date.now() / 1000), model: model.id },
    chat: controlled,
    generation,
    prepared,
    prepareMs: performance.now() - startedAt,
  };
}

/**
 * Adds what the name of the model and the header say about thinking.
 * @throws ApiError for the name of another model
 */
export function withControlsBesideBody(
  chat: ChatRequest,
  header: ModeWord | null,
  model: Pick<ServedModel, 'id'>,
): ChatRequest {
  const beside = namedControls({
    model: modeControl(modeOfName(chat.model, model)),
    'x-thinking-mode': modeControl(header),
  });
  const { thinking } = chat;
  return { ...chat, thinking: { ...thinking, controls: [...thinking.controls, ...beside] } };
}

/**
 * Starts a reply: from the request to the stream of its events. The engine is asked when the first event is read.
 * @throws ApiError and ChatInputError for what the client can fix; EngineUnavailableError
 */
export async function startGeneration(
  call: GenerationCall,
  exchange: Exchange,
  context: RouteContext,
): Promise<StartedGeneration> {
  const { model, settings, running } = context;
  const { chat } = call;
  const numChoices = resolveChoices(chat.numChoices, settings);
  const begun = await beginGeneration(call, exchange, context, { joinsHoldout: true });
  const { identity, generation, prepared, prepareMs } = begun;
  const { quotas, signal } = generation;
  const { observation } = exchange;
  const facts = { model: model.id, stream: chat.stream, numChoices, prepareMs };
  observation.prepared({ ...prepared, ...facts });
  const requests = choiceRequests(prepared.request, numChoices);
  const completion = replyContext({ identity, prepared, numChoices }, model);
  const run = { reply: completion, requests, signal, observation, quotas };
  return { events: runGenerations(run, { model, running }), completion, signal };
}

/**
 * Counts the tokens of a conversation's prompt; its images are loaded and counted.
 * @returns ids of the prompt's tokens
 * @throws ApiError and ChatInputError for what the client can fix
 */
export async function promptTokens(
  { chat, header }: Omit<GenerationCall, 'idPrefix'>,
  reply: FastifyReply,
  { model, settings, loadBias }: RouteContext,
): Promise<Int32Array> {
  const { request } = await prepareGeneration(withControlsBesideBody(chat, header, model), {
    id: randomUUID(),
    model,
    settings,
    loadBias: loadBias(),
    quotas: null,
    joinsHoldout: false,
    signal: disconnectSignal(reply),
  });
  return request.promptTokenIds;
}

/** @throws EngineUnavailableError before anything expensive happens for a request that must be sent again */
export function assertReady({ model }: Pick<RouteContext, 'model'>): void {
  if (model.engine.status().state === 'ready') return;
  throw new EngineUnavailableError('not_ready', NOT_READY_RETRY_SECONDS);
}
