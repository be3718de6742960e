import { type Dashboard, mean, quantiles, rate, ratio, recorded, value } from './panel.ts';

/** What clients see: throughput, latency and errors. */
export const SERVING: Dashboard = {
  uid: 'thinkgate-serving',
  title: 'thinkgate: serving',
  about: 'What clients see: throughput, latency and errors.',
  rows: [
    {
      title: 'Requests',
      panels: [
        {
          title: 'Generations',
          about:
            'Finished generations by finish reason: stop is the end of the text, length is max_tokens.',
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
          title: 'Errors',
          about: 'Requests that were rejected, failed or abandoned by the client, by error code.',
          kind: 'stacked',
          unit: 'reqps',
          queries: [{ expr: `${rate('request_failure_total', 'code')} > 0`, legend: '{{code}}' }],
        },
        {
          title: 'Server error rate',
          about: 'Share of the valid requests that failed.',
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
          about:
            'Generations in slots and in the queue. A queue that is never empty needs more slots or another replica.',
          unit: 'short',
          queries: [
            { expr: `sum(${value('num_requests_running')})`, legend: 'running' },
            { expr: `sum(${value('num_requests_waiting')})`, legend: 'waiting' },
          ],
        },
        {
          title: 'Queue time',
          about: 'Time in the waiting queue.',
          unit: 's',
          queries: quantiles('request_queue_time_seconds'),
        },
        {
          title: 'Request size',
          about: 'Mean tokens of a request.',
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
          about: 'Arrival to the first token, thinking or answer.',
          unit: 's',
          queries: quantiles('time_to_first_token_seconds'),
        },
        {
          title: 'Time to first answer token',
          about: 'Arrival to the first text of the answer, thinking included; 95th percentile.',
          unit: 's',
          queries: [
            {
              expr: recorded('job:thinkgate_time_to_first_answer_token_seconds:p95_rate5m'),
              legend: '{{job}} p95',
            },
          ],
        },
        {
          title: 'End-to-end latency',
          about: 'Arrival to the last token.',
          unit: 's',
          queries: quantiles('e2e_request_latency_seconds'),
        },
        {
          title: 'Inter-token latency',
          about: 'Time between two tokens of a generation.',
          unit: 's',
          queries: quantiles('inter_token_latency_seconds'),
        },
        {
          title: 'Time per output token',
          about: 'Decode time divided by the tokens after the first.',
          unit: 's',
          queries: quantiles('request_time_per_output_token_seconds'),
        },
        {
          title: 'Time by phase',
          about: 'Mean seconds of a request by phase. Images are prepared before the queue.',
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
          about: 'Prompt and generated tokens; prompt tokens from the prefix cache count.',
          unit: 'cps',
          queries: [
            { expr: rate('prompt_tokens_total'), legend: 'prompt' },
            { expr: rate('generation_tokens_total'), legend: 'generated' },
            { expr: rate('image_tokens_total'), legend: 'image (part of prompt)' },
          ],
        },
        {
          title: 'Strategies',
          about: 'Requests answered by a strategy of several generations, and these generations.',
          unit: 'reqps',
          queries: [
            { expr: rate('strategy_requests_total', 'type'), legend: '{{type}}' },
            { expr: rate('strategy_calls_total', 'type'), legend: '{{type}}: calls' },
          ],
        },
        {
          title: 'Cached prompt tokens',
          about: 'Share of the prompt tokens that came from the prefix cache.',
          unit: 'percentunit',
          queries: [
            { expr: ratio('prompt_tokens_cached_total', 'prompt_tokens_total'), legend: 'cached' },
          ],
        },
        {
          title: 'Images',
          about: 'Mean seconds of a request with images.',
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
