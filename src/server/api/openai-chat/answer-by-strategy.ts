import type { RouteContext } from '../../http/route-context.ts';
import { type ReplyContext, replyContext } from '../../reply/reply-context.ts';
import { usageOfCalls } from '../../reply/reply-events.ts';
import { runStrategy, type Strategy } from '../../reply/strategies/run-strategy.ts';
import { costOf, type Outcome } from '../../reply/strategies/strategy.ts';
import { replyOf } from '../../reply/whole-reply.ts';
import {
  type BegunGeneration,
  beginGeneration,
  type Exchange,
  type GenerationCall,
} from '../../request/start-generation.ts';
import { type CallAnswer, StrategyCalls } from '../../request/strategy-calls.ts';
import { assertStrategyFields, assertStrategyPossible } from '../../request/strategy-rules.ts';
import { thinkingHeaders } from '../thinking-report.ts';
import { toChoice, toUsage } from './render-completion.ts';
import type { ChatCompletion } from './response-schema.ts';
import { type StrategyReport, toStrategy, type WireStrategy } from './strategy-fields.ts';

type Choice = ChatCompletion['choices'][number];

/**
 * Answers by several calls of the model. A call that fails, or a client that goes away, stops them all.
 * @throws ApiError
 */
export async function answerByStrategy(
  wire: WireStrategy,
  call: GenerationCall,
  exchange: Exchange,
  context: RouteContext,
): Promise<ChatCompletion> {
  assertStrategyFields(wire, call.chat, context.settings);
  // A strategy makes no single decision that the hold-out could compare.
  const begun = await beginGeneration(call, exchange, context, { joinsHoldout: false });
  const { prepared, generation } = begun;
  const strategy = toStrategy(wire, prepared.asked.budget);
  assertStrategyPossible(strategy, prepared, { ...context, quotas: generation.quotas });
  const { observation, reply } = exchange;
  const facts = { model: context.model.id, stream: false, numChoices: 1, strategy: strategy.type };
  observation.prepared({ ...prepared, ...facts, prepareMs: begun.prepareMs });
  const outcome = await runCalls(strategy, begun, { observation, context });
  observation.end(200);
  reply.headers(toHeaders(begun, outcome, context));
  const usages = outcome.stages.flat().map(({ finish }) => finish.usage);
  return {
    ...begun.identity,
    object: 'chat.completion',
    choices: [toStrategyChoice(strategy, outcome, contextOf(begun, outcome.chosen, context))],
    usage: toUsage(usageOfCalls(usages)),
  };
}

async function runCalls(
  strategy: Strategy,
  { chat, prepared, generation }: BegunGeneration,
  { observation, context }: Pick<Exchange, 'observation'> & { readonly context: RouteContext },
): Promise<Outcome<CallAnswer>> {
  const stop = new AbortController();
  const { id, signal } = generation;
  const calls = new StrategyCalls({
    chat,
    base: prepared,
    generation: { ...generation, signal: AbortSignal.any([signal, stop.signal]) },
    observation,
    onCall: (callId) => context.running.add(id, callId),
  });
  try {
    return await runStrategy(strategy, (variant) => calls.call(variant));
  } finally {
    stop.abort();
    context.running.delete(id);
  }
}

function contextOf(
  { identity, prepared }: BegunGeneration,
  chosen: CallAnswer,
  { model }: Pick<RouteContext, 'model'>,
): ReplyContext {
  const context = replyContext({ identity, prepared: chosen.prepared, numChoices: 1 }, model);
  // The caller did not ask for the log-probabilities of a trial.
  const request = { ...context.request, topLogprobs: null };
  return { ...context, request, requested: prepared.asked.requested };
}

function toHeaders(
  begun: BegunGeneration,
  { chosen, thought }: Outcome<CallAnswer>,
  context: RouteContext,
): Record<string, string> {
  const decision = thought === undefined ? chosen.decision : null;
  return thinkingHeaders(decision, contextOf(begun, chosen, context));
}

/** The reply of the chosen call. A thought from several calls is shown and reported as one. */
function toStrategyChoice(
  strategy: Pick<Strategy, 'type'>,
  outcome: Outcome<CallAnswer>,
  context: ReplyContext,
): Choice {
  const { chosen, thought } = outcome;
  const choice = toChoice(replyOf(chosen.events, context, thought?.before ?? ''), context);
  const strategyReport = toReport(strategy, outcome);
  if (thought === undefined) return { index: 0, ...choice, strategy: strategyReport };
  const thinking: Choice['thinking'] = {
    ...choice.thinking,
    requested: 'think',
    mode: 'think',
    source: 'request',
    ended_by: thought.endedBy,
    reasoning_tokens: thought.tokens,
  };
  return { index: 0, ...choice, thinking, strategy: strategyReport };
}

function toReport({ type }: Pick<Strategy, 'type'>, outcome: Outcome<CallAnswer>): StrategyReport {
  const { stages, votes, agreed, candidates, workspace, exits } = outcome;
  const { calls, sequentialTokens, totalTokens } = costOf(stages);
  return {
    type,
    calls,
    sequential_tokens: sequentialTokens,
    total_tokens: totalTokens,
    ...(votes && { votes: [...votes] }),
    ...(agreed !== undefined && { agreed }),
    ...(candidates && { candidates: [...candidates] }),
    ...(workspace !== undefined && { workspace }),
    ...(exits && { exits: [...exits] }),
  };
}
