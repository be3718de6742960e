import type { EngineTotals } from '../../engine/generation.ts';
import type { EngineStatus } from '../engines/engine-client.ts';
import type { MetricRegistry, Sample } from './metric-registry.ts';

type ReadEngines = () => readonly EngineStatus[];
type EngineSamples = readonly Sample<'engine'>[];

/**
 * What the engine processes say of themselves, read at every scrape and told apart by the label `engine`; their
 * counters go on where an engine is started again.
 * @param read the state of every engine
 */
export function addEngineMetrics(registry: MetricRegistry, read: ReadEngines): void {
  const each = (value: (status: EngineStatus) => number): EngineSamples =>
    read().map((status, index) => ({ labels: { engine: String(index) }, value: value(status) }));
  const gauge = (name: string, help: string, value: (status: EngineStatus) => number): void =>
    registry.readGauge({ name: `thinkgate_${name}`, help, labels: ['engine'] }, () => each(value));
  const counter = (name: string, help: string, value: (status: EngineStatus) => number): void =>
    registry.readCounter({ name: `thinkgate_${name}`, help, labels: ['engine'] }, () =>
      each(value),
    );
  gauge('num_requests_running', 'Generations in a slot.', ({ numRunning }) => numRunning);
  gauge('num_requests_waiting', 'Generations in the queue.', ({ numWaiting }) => numWaiting);
  gauge(
    'num_requests_thinking',
    'Generations in a slot that think and are not at their answer yet.',
    ({ numThinking }) => numThinking,
  );
  gauge(
    'kv_cache_usage_perc',
    'Tokens held in the KV cache, of those it can hold; 1 is full.',
    ({ kvCacheUsage }) => kvCacheUsage,
  );
  gauge('engine_ready', '1 when the model is loaded, else 0.', ({ state }) =>
    state === 'ready' ? 1 : 0,
  );
  gauge(
    'engine_resident_memory_bytes',
    'Memory of the engine process.',
    ({ residentBytes }) => residentBytes,
  );
  counter(
    'engine_restarts_total',
    'Times the engine process was started again.',
    ({ restarts }) => restarts,
  );
  counter(
    'requests_retried_total',
    'Generations begun again because the engine process died before their clients were shown anything.',
    ({ retried }) => retried,
  );
  for (const [name, { help, value }] of Object.entries(TOTALS)) {
    counter(name, help, ({ totals }) => value(totals));
  }
}

const TOTALS: Readonly<
  Record<string, { readonly help: string; readonly value: (totals: EngineTotals) => number }>
> = {
  prefix_cache_queries_total: {
    help: 'Prompt tokens looked up in the prefix cache.',
    value: ({ prefixQueries }) => prefixQueries,
  },
  prefix_cache_hits_total: {
    help: 'Prompt tokens found in the prefix cache.',
    value: ({ prefixHits }) => prefixHits,
  },
  mm_cache_queries_total: {
    help: 'Images looked up among those encoded before.',
    value: ({ imageQueries }) => imageQueries,
  },
  mm_cache_hits_total: {
    help: 'Images found among those encoded before.',
    value: ({ imageHits }) => imageHits,
  },
  spec_decode_num_draft_tokens_total: {
    help: 'Tokens guessed from the text so far, for streams that ran alone.',
    value: ({ draftedTokens }) => draftedTokens,
  },
  spec_decode_num_accepted_tokens_total: {
    help: 'Guessed tokens that came.',
    value: ({ acceptedTokens }) => acceptedTokens,
  },
  num_requests_parked_total: {
    help: 'Thinkers that gave their slot back to a request that might be short.',
    value: ({ parked }) => parked,
  },
  num_aborted_requests_total: {
    help: 'Generations ended from outside: clients that left, deadlines.',
    value: ({ aborted }) => aborted,
  },
  engine_steps_total: { help: 'Steps of the engine.', value: ({ steps }) => steps },
  engine_step_seconds_total: {
    help: 'Time spent in steps; its rate is the share of time the engine is busy.',
    value: ({ stepMs }) => stepMs / 1000,
  },
  engine_decoded_tokens_total: {
    help: 'Rows of all decode batches; over the steps, the mean batch.',
    value: ({ decodedTokens }) => decodedTokens,
  },
  engine_prefilled_tokens_total: {
    help: 'Prompt tokens computed, not taken over.',
    value: ({ prefilledTokens }) => prefilledTokens,
  },
  engine_image_tiles_total: {
    help: 'Tiles of images through the vision graph.',
    value: ({ encodedTiles }) => encodedTiles,
  },
  engine_image_seconds_total: {
    help: 'Time in the vision graph.',
    value: ({ visionMs }) => visionMs / 1000,
  },
};

/**
 * The three gauges that autoscalers and inference gateways look for by vLLM's own names: one line each, all engines
 * together.
 */
export function addGatewayMetrics(
  registry: MetricRegistry,
  { model, read }: { readonly model: string; readonly read: ReadEngines },
): void {
  const gauge = (name: string, help: string, value: (all: readonly EngineStatus[]) => number) =>
    registry.readGauge({ name: `vllm:${name}`, help, labels: ['model_name'] }, () => [
      { labels: { model_name: model }, value: value(read()) },
    ]);
  gauge('num_requests_waiting', 'Generations in the queue, of all engines.', (all) =>
    sum(all.map(({ numWaiting }) => numWaiting)),
  );
  gauge('num_requests_running', 'Generations in a slot, of all engines.', (all) =>
    sum(all.map(({ numRunning }) => numRunning)),
  );
  gauge(
    'kv_cache_usage_perc',
    'Use of the KV cache, mean of all engines; 1 is full.',
    (all) => sum(all.map(({ kvCacheUsage }) => kvCacheUsage)) / Math.max(1, all.length),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
