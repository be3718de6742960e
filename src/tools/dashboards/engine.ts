import { type Dashboard, type Panel, quantiles, rate, ratio, value } from './panel.ts';

const BY_ENGINE = 'engine {{engine}} of {{instance}}';
const LABELS = 'instance, engine';

/** One curve per engine. */
function gauge(metric: string): Panel['queries'] {
  return [{ expr: value(metric), legend: BY_ENGINE }];
}

/** State and load of the engine processes. */
export const ENGINE: Dashboard = {
  uid: 'thinkgate-engine',
  title: 'thinkgate: engine',
  about: 'State and load of the engine processes.',
  rows: [
    {
      title: 'State',
      panels: [
        {
          title: 'Ready',
          about: '1 when the engine has loaded the model.',
          kind: 'stat',
          unit: 'short',
          width: 4,
          queries: gauge('engine_ready'),
        },
        {
          title: 'Restarts',
          about: 'Restarts of the engine process since the server started.',
          kind: 'stat',
          unit: 'short',
          width: 4,
          queries: gauge('engine_restarts_total'),
        },
        {
          title: 'Build',
          about: 'Model, precision and version of every instance.',
          kind: 'stat',
          unit: 'short',
          width: 8,
          queries: [
            { expr: value('build_info'), legend: '{{model}} {{precision}}, thinkgate {{version}}' },
          ],
        },
        {
          title: 'Memory',
          about: 'Resident memory of the processes.',
          unit: 'bytes',
          width: 8,
          queries: [
            { expr: value('engine_resident_memory_bytes'), legend: BY_ENGINE },
            { expr: value('server_resident_memory_bytes'), legend: 'server {{instance}}' },
          ],
        },
      ],
    },
    {
      title: 'Slots',
      panels: [
        {
          title: 'Running',
          about: 'Generations that run in a slot, and those of them that think.',
          unit: 'short',
          queries: [
            { expr: value('num_requests_running'), legend: BY_ENGINE },
            { expr: value('num_requests_thinking'), legend: `thinking, ${BY_ENGINE}` },
          ],
        },
        {
          title: 'Waiting',
          about: 'Generations in the waiting queue.',
          unit: 'short',
          queries: gauge('num_requests_waiting'),
        },
        {
          title: 'KV cache in use',
          about: 'Share of the KV cache that holds tokens.',
          unit: 'percentunit',
          queries: gauge('kv_cache_usage_perc'),
        },
      ],
    },
    {
      title: 'Steps',
      panels: [
        {
          title: 'Busy',
          about: 'Share of the time that the engine spends in steps.',
          unit: 'percentunit',
          queries: [{ expr: rate('engine_step_seconds_total', LABELS), legend: BY_ENGINE }],
        },
        {
          title: 'Step time',
          about: 'Mean time of a step. Every running generation gets one token per step.',
          unit: 's',
          queries: [
            {
              expr: ratio('engine_step_seconds_total', 'engine_steps_total', LABELS),
              legend: BY_ENGINE,
            },
          ],
        },
        {
          title: 'Batch size',
          about: 'Mean number of rows in the decode batch of a step.',
          unit: 'short',
          queries: [
            {
              expr: ratio('engine_decoded_tokens_total', 'engine_steps_total', LABELS),
              legend: BY_ENGINE,
            },
          ],
        },
        {
          title: 'Tokens computed per second',
          about: 'Decoded tokens, and prompt tokens that the prefix cache did not have.',
          unit: 'cps',
          queries: [
            { expr: rate('engine_decoded_tokens_total', LABELS), legend: `decoded, ${BY_ENGINE}` },
            {
              expr: rate('engine_prefilled_tokens_total', LABELS),
              legend: `prefilled, ${BY_ENGINE}`,
            },
          ],
        },
        {
          title: 'Inference time',
          about: 'Admission to the last token of a generation.',
          unit: 's',
          queries: quantiles('request_inference_time_seconds'),
        },
        {
          title: 'Aborted, preempted, retried',
          about:
            'Generations that a disconnected client or a deadline ended; thinking sequences that were preempted to free their slot; generations that restarted on another engine process.',
          unit: 'cps',
          queries: [
            { expr: rate('num_aborted_requests_total', LABELS), legend: `aborted, ${BY_ENGINE}` },
            { expr: rate('num_preemptions_total', LABELS), legend: `preempted, ${BY_ENGINE}` },
            {
              expr: rate('requests_retried_total', LABELS),
              legend: `retried, ${BY_ENGINE}`,
            },
          ],
        },
      ],
    },
    {
      title: 'Caches and images',
      panels: [
        {
          title: 'Prefix cache',
          about: 'Share of the prompt tokens that were found in the prefix cache.',
          unit: 'percentunit',
          queries: [
            {
              expr: ratio('prefix_cache_hits_total', 'prefix_cache_queries_total', LABELS),
              legend: BY_ENGINE,
            },
          ],
        },
        {
          title: 'Image cache',
          about: 'Share of the images whose features were found in the cache.',
          unit: 'percentunit',
          queries: [
            {
              expr: ratio('mm_cache_hits_total', 'mm_cache_queries_total', LABELS),
              legend: BY_ENGINE,
            },
          ],
        },
        {
          title: 'Vision graph',
          about: 'Tiles per second, and the share of the time that the vision graph runs.',
          unit: 'short',
          queries: [
            { expr: rate('engine_image_tiles_total', LABELS), legend: `tiles, ${BY_ENGINE}` },
            { expr: rate('engine_image_seconds_total', LABELS), legend: `busy, ${BY_ENGINE}` },
          ],
        },
      ],
    },
  ],
};
