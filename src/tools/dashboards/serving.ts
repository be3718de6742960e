import type { Dashboard } from './panel.ts';
import { mean, quantiles, rate, ratio, recorded, value } from './queries.ts';

/** What clients get: how much, how soon, and what goes wrong. */
export const SERVING: Dashboard = {
  uid: 'thinkgate-serving',
  title: 'thinkgate: serving',
  about: 'What clients get: how much, how soon, and what goes wrong.',
  rows: [
    {
      title: 'Requests',
      panels: [
        {
          title: 'Generations',
          about: 'That came to their end: by themselves (stop) or at max_tokens (length).',
          kind: 'stacked',
          unit: 'reqps',
          queries: [
            {
              expr: rate('request_success_total', 'finished_reason'),
              legend: '{{finished_reason}}',
            },
          ],
        },
        {
          title: 'Refused, failed, given up',
          about: 'By error code.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: `${rate('request_failure_total', 'code')} > 0`, legend: '{{code}}' }],
        },
        {
          title: "Failures of the server's own",
          about: 'Share of the requests that were right and failed all the same.',
          unit: 'percentunit',
          queries: [{ expr: recorded('job:thinkgate_error_rate:ratio_rate5m'), legend: '{{job}}' }],
        },
      ],
    },
    {
      title: 'Queue',
      panels: [
        {
          title: 'Running and waiting',
          about: 'A queue that never empties needs more slots or another replica.',
          unit: 'short',
          queries: [
            { expr: `sum(${value('num_requests_running')})`, legend: 'running' },
            { expr: `sum(${value('num_requests_waiting')})`, legend: 'waiting' },
          ],
        },
        {
          title: 'Wait for a slot',
          about: 'Time in the queue.',
          unit: 's',
          queries: quantiles('request_queue_time_seconds'),
        },
        {
          title: 'Size of requests',
          about: 'Mean tokens.',
          unit: 'short',
          queries: [
            { expr: mean('request_prompt_tokens'), legend: 'prompt' },
            { expr: mean('request_generation_tokens'), legend: 'generated' },
            { expr: mean('request_params_max_tokens'), legend: 'max_tokens' },
          ],
        },
      ],
    },
    {
      title: 'Latency',
      panels: [
        {
          title: 'Time to first token',
          about: 'Arrival to the first token, of thinking or answer.',
          unit: 's',
          queries: quantiles('time_to_first_token_seconds'),
        },
        {
          title: 'Time to the first token of the answer',
          about: '95th percentile of all requests, thinking included.',
          unit: 's',
          queries: [
            {
              expr: recorded('job:thinkgate_time_to_first_answer_token_seconds:p95_rate5m'),
              legend: '{{job}} p95',
            },
          ],
        },
        {
          title: 'Whole request',
          about: 'Arrival to the last token.',
          unit: 's',
          queries: quantiles('e2e_request_latency_seconds'),
        },
        {
          title: 'Between two tokens',
          about: 'As the server sees them come.',
          unit: 's',
          queries: quantiles('inter_token_latency_seconds'),
        },
        {
          title: 'Per output token',
          about: 'Decode time over the tokens after the first.',
          unit: 's',
          queries: quantiles('request_time_per_output_token_seconds'),
        },
        {
          title: 'Where the time goes',
          about: 'Mean seconds of a request by phase; images are prepared before it queues.',
          kind: 'stacked',
          unit: 's',
          queries: [
            { expr: mean('request_queue_time_seconds'), legend: 'queue' },
            { expr: mean('request_prefill_time_seconds'), legend: 'prefill' },
            { expr: mean('request_decode_time_seconds'), legend: 'decode' },
          ],
        },
      ],
    },
    {
      title: 'Throughput and cache',
      panels: [
        {
          title: 'Tokens per second',
          about: 'Prompt tokens count whether computed or taken from the cache.',
          unit: 'cps',
          queries: [
            { expr: rate('prompt_tokens_total'), legend: 'prompt' },
            { expr: rate('generation_tokens_total'), legend: 'generated' },
            { expr: rate('image_tokens_total'), legend: 'of the prompt, images' },
          ],
        },
        {
          title: 'Strategies',
          about: 'Requests answered with several calls, and the calls they made.',
          unit: 'reqps',
          queries: [
            { expr: rate('strategy_requests_total', 'type'), legend: '{{type}}' },
            { expr: rate('strategy_calls_total', 'type'), legend: '{{type}}: calls' },
          ],
        },
        {
          title: 'Prompt tokens from the cache',
          about: 'Share of all prompt tokens that did not have to be computed.',
          unit: 'percentunit',
          queries: [
            { expr: ratio('prompt_tokens_cached_total', 'prompt_tokens_total'), legend: 'cached' },
          ],
        },
        {
          title: 'Images',
          about: 'Mean seconds per request with images.',
          kind: 'stacked',
          unit: 's',
          queries: [
            { expr: mean('image_preprocess_seconds'), legend: 'fetch, decode, tile' },
            { expr: mean('image_encode_seconds'), legend: 'vision graph' },
          ],
        },
      ],
    },
  ],
};
