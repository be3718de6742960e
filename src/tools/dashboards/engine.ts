import type { Dashboard, Panel } from './panel.ts';
import { quantiles, rate, ratio, value } from './queries.ts';

const BY_ENGINE = 'engine {{engine}} of {{instance}}';
const LABELS = 'instance, engine';

/** A gauge of every engine. */
function gauge(metric: string): Panel['queries'] {
  return [{ expr: value(metric), legend: BY_ENGINE }];
}

/** What the engine processes are busy with. */
export const ENGINE: Dashboard = {
  uid: 'thinkgate-engine',
  title: 'thinkgate: engine',
  about: 'What the engine processes are busy with.',
  rows: [
    {
      title: 'State',
      panels: [
        {
          title: 'Ready',
          about: '1 when the model is loaded.',
          kind: 'stat',
          unit: 'short',
          width: 4,
          queries: gauge('engine_ready'),
        },
        {
          title: 'Restarts',
          about: 'Processes that died, since the server started.',
          kind: 'stat',
          unit: 'short',
          width: 4,
          queries: gauge('engine_restarts_total'),
        },
        {
          title: 'Build',
          about: 'What is running where.',
          kind: 'stat',
          unit: 'short',
          width: 8,
          queries: [
            { expr: value('build_info'), legend: '{{model}} {{precision}}, thinkgate {{version}}' },
          ],
        },
        {
          title: 'Memory',
          about: 'Resident, of the processes.',
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
          about: 'Generations in a slot, and those of them that are not at their answer yet.',
          unit: 'short',
          queries: [
            { expr: value('num_requests_running'), legend: BY_ENGINE },
            { expr: value('num_requests_thinking'), legend: `thinking, ${BY_ENGINE}` },
          ],
        },
        {
          title: 'Waiting',
          about: 'Generations without a slot.',
          unit: 'short',
          queries: gauge('num_requests_waiting'),
        },
        {
          title: 'KV cache in use',
          about: 'Tokens held, of those that fit.',
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
          about: 'Share of the time spent in steps.',
          unit: 'percentunit',
          queries: [{ expr: rate('engine_step_seconds_total', LABELS), legend: BY_ENGINE }],
        },
        {
          title: 'Length of a step',
          about: 'Mean; every running generation gets its token in each.',
          unit: 's',
          queries: [
            {
              expr: ratio('engine_step_seconds_total', 'engine_steps_total', LABELS),
              legend: BY_ENGINE,
            },
          ],
        },
        {
          title: 'Batch',
          about: 'Mean number of generations that get a token in a step.',
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
          about: 'Decoded, and prefilled without what the cache had.',
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
          title: 'In a slot',
          about: 'Admission to the last token.',
          unit: 's',
          queries: quantiles('request_inference_time_seconds'),
        },
        {
          title: 'Given up, parked, begun again',
          about:
            'Generations ended from outside; thinkers that gave their slot to a request that might be short; generations whose engine died before their clients were shown anything.',
          unit: 'cps',
          queries: [
            { expr: rate('num_aborted_requests_total', LABELS), legend: `given up, ${BY_ENGINE}` },
            { expr: rate('num_requests_parked_total', LABELS), legend: `parked, ${BY_ENGINE}` },
            {
              expr: rate('requests_retried_total', LABELS),
              legend: `begun again, ${BY_ENGINE}`,
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
          about: 'Share of the prompt tokens looked up that were found.',
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
          about: 'Share of the images that had been encoded before.',
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
          about: 'Tiles per second, and the share of the time they take.',
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
