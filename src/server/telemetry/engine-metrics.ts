import type { EngineTotals } from '../../engine/generation.ts';
import type { EngineStatus } from '../engines/engine-client.ts';
import type { MetricRegistry, Sample } from './metric-registry.ts';

type ReadEngines = () => readonly EngineStatus[];
type EngineSamples = readonly Sample<'engine'>[];

/**
 * Declares the metrics of the engine processes, with the label `engine`. The values are read at every scrape; a
 * restart of an engine does not reset its counters.
 * @param read returns the state of every engine
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
  gauge('num_requests_running', 'Generations that run in a slot.', ({ numRunning }) => numRunning);
  gauge(
    'num_requests_waiting',
    'Generations in the waiting queue.',
    ({ numWaiting }) => numWaiting,
  );
  gauge(
    'num_requests_thinking',
    'Running generations that think, or were asked to, and have not begun their answer.',
    ({ numThinking }) => numThinking,
  );
  gauge(
    'kv_cache_usage_perc',
    'Share of the KV cache in use; 1 is full.',
    ({ kvCacheUsage }) => kvCacheUsage,
  );
  gauge('engine_ready', '1 when the engine has loaded the model, else 0.', ({ state }) =>
    state === 'ready' ? 1 : 0,
  );
  gauge(
    'engine_resident_memory_bytes',
    'Resident memory of the engine process.',
    ({ residentBytes }) => residentBytes,
  );
  counter('engine_restarts_total', 'Restarts of the engine process.', ({ restarts }) => restarts);
  counter(
    'requests_retried_total',
    'Generations that restarted because the engine process died before it had sent their client an event.',
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
    help: 'Images looked up in the cache of image features.',
    value: ({ imageQueries }) => imageQueries,
  },
  mm_cache_hits_total: {
    help: 'Images found in the cache of image features.',
    value: ({ imageHits }) => imageHits,
  },
  spec_decode_num_draft_tokens_total: {
    help: 'Draft tokens of speculative decoding (prompt lookup).',
    value: ({ draftedTokens }) => draftedTokens,
  },
  spec_decode_num_accepted_tokens_total: {
    help: 'Draft tokens that were accepted.',
    value: ({ acceptedTokens }) => acceptedTokens,
  },
  num_preemptions_total: {
    help: 'Thinking sequences that were preempted to free their slot for a waiting request.',
    value: ({ preemptions }) => preemptions,
  },
  num_aborted_requests_total: {
    help: 'Generations that a disconnected client or a deadline ended.',
    value: ({ aborted }) => aborted,
  },
  engine_steps_total: { help: 'Engine steps.', value: ({ steps }) => steps },
  engine_step_seconds_total: {
    help: 'Time in engine steps; its rate is the share of time that the engine is busy.',
    value: ({ stepMs }) => stepMs / 1000,
  },
  engine_decoded_tokens_total: {
    help: 'Rows of all decode batches; divided by the steps, the mean batch size.',
    value: ({ decodedTokens }) => decodedTokens,
  },
  engine_prefilled_tokens_total: {
    help: 'Prompt tokens computed, without those from the prefix cache.',
    value: ({ prefilledTokens }) => prefilledTokens,
  },
  engine_image_tiles_total: {
    help: 'Image tiles that the vision graph encoded.',
    value: ({ encodedTiles }) => encodedTiles,
  },
  engine_image_seconds_total: {
    help: 'Time in the vision graph.',
    value: ({ visionMs }) => visionMs / 1000,
  },
};

/**
 * Declares the three gauges that autoscalers and inference gateways look up under vLLM's own names. Each has one
 * sample for all engines.
 */
export function addGatewayMetrics(
  registry: MetricRegistry,
  { model, read }: { readonly model: string; readonly read: ReadEngines },
): void {
  const gauge = (name: string, help: string, value: (all: readonly EngineStatus[]) => number) =>
    registry.readGauge({ name: `vllm:${name}`, help, labels: ['model_name'] }, () => [
      { labels: { model_name: model }, value: value(read()) },
    ]);
  gauge('num_requests_waiting', 'Generations in the waiting queues of all engines.', (all) =>
    sum(all.map(({ numWaiting }) => numWaiting)),
  );
  gauge('num_requests_running', 'Generations that run in a slot of any engine.', (all) =>
    sum(all.map(({ numRunning }) => numRunning)),
  );
  gauge(
    'kv_cache_usage_perc',
    'Share of the KV cache in use, mean of all engines; 1 is full.',
    (all) => sum(all.map(({ kvCacheUsage }) => kvCacheUsage)) / Math.max(1, all.length),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
