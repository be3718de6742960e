import type { Dashboard } from './panel.ts';
import { buckets, mean, quantiles, rate, recorded, value } from './queries.ts';

/** How often the model chooses to think, what that costs, and what it is worth. */
export const THINKING: Dashboard = {
  uid: 'thinkgate-thinking',
  title: 'thinkgate: thinking',
  about: 'How often the model chooses to think, what that costs, and what it saves.',
  rows: [
    {
      title: 'Decisions',
      panels: [
        {
          title: 'The model thinks',
          about: 'Share of its own decisions in which the model chose to think, last five minutes.',
          kind: 'stat',
          unit: 'percentunit',
          width: 4,
          queries: [
            { expr: recorded('job:thinkgate_thinking_rate:ratio_rate5m'), legend: '{{job}}' },
          ],
        },
        {
          title: 'Thinking rate',
          about:
            "Of the model's own decisions only: requests whose mode somebody else decided are left out. A lasting shift means that the model, its template or the requests have changed.",
          unit: 'percentunit',
          width: 10,
          queries: [
            {
              expr: recorded('job:thinkgate_thinking_rate:ratio_rate5m'),
              legend: '{{job}}, 5 minutes',
            },
            {
              expr: recorded('job:thinkgate_thinking_rate:ratio_rate1h'),
              legend: '{{job}}, 1 hour',
            },
          ],
        },
        {
          title: 'Decisions by source',
          about: 'Who decided, and what for.',
          kind: 'stacked',
          unit: 'cps',
          width: 10,
          queries: [
            { expr: rate('decisions_total', 'source, mode'), legend: '{{source}}: {{mode}}' },
          ],
        },
        {
          title: 'p(think)',
          about:
            'Probability of thinking at the decision point, before any bias. Two separate bands are a sure model; a smear around the middle is where a bias or a threshold moves most.',
          kind: 'heatmap',
          unit: 'short',
          queries: buckets('thinking_probability'),
        },
        {
          title: 'Mode asked for',
          about: 'What requests, or the default, asked for.',
          kind: 'stacked',
          unit: 'cps',
          queries: [{ expr: rate('decisions_total', 'requested'), legend: '{{requested}}' }],
        },
        {
          title: 'Choices taken from the model',
          about: 'Auto requests that a bias, the load, a budget or a quota decided.',
          kind: 'stacked',
          unit: 'cps',
          queries: [
            { expr: rate('decisions_changed_total', 'by'), legend: '{{by}}' },
            { expr: rate('quota_fallbacks_total'), legend: 'of these, quota' },
          ],
        },
      ],
    },
    {
      title: 'What it costs',
      panels: [
        {
          title: 'Tokens of a reply',
          about: 'Mean, by what was decided.',
          unit: 'short',
          queries: [
            { expr: mean('thinking_tokens', 'mode'), legend: '{{mode}}: thinking' },
            { expr: mean('answer_tokens', 'mode'), legend: '{{mode}}: answer' },
          ],
        },
        {
          title: 'Tokens per second',
          about: 'Where the generated tokens go.',
          kind: 'stacked',
          unit: 'cps',
          queries: [
            { expr: rate('thinking_tokens_sum'), legend: 'thinking' },
            { expr: rate('answer_tokens_sum'), legend: 'answer' },
          ],
        },
        {
          title: 'Length of thoughts',
          about: 'Thinking tokens, by what was decided.',
          unit: 'short',
          queries: quantiles('thinking_tokens', 'mode'),
        },
        {
          title: 'Time to the first token of the answer',
          about: 'What a reader waits, by what was decided.',
          unit: 's',
          queries: quantiles('time_to_first_answer_token_seconds', 'mode'),
        },
        {
          title: 'Time spent thinking',
          about: 'First token to the end of the thinking, of requests that thought.',
          unit: 's',
          queries: quantiles('thinking_seconds'),
        },
        {
          title: 'Length of answers',
          about: 'Answer tokens, by what was decided.',
          unit: 'short',
          queries: quantiles('answer_tokens', 'mode'),
        },
      ],
    },
    {
      title: 'Budgets',
      panels: [
        {
          title: 'Replies without an answer',
          about: 'Must stay 0.',
          kind: 'stat',
          unit: 'short',
          width: 4,
          queries: [
            {
              expr: `sum(increase(${value('empty_answers_total')}[$__range]))`,
              legend: 'empty answers',
            },
          ],
        },
        {
          title: 'Why thinking ended',
          about: 'natural: the model closed it itself.',
          kind: 'stacked',
          unit: 'cps',
          width: 10,
          queries: [{ expr: rate('thinking_ended_total', 'ended_by'), legend: '{{ended_by}}' }],
        },
        {
          title: 'Cut-off thinking',
          about: 'Share of all thinking that a budget or max_tokens ended, last half hour.',
          unit: 'percentunit',
          width: 10,
          queries: [
            { expr: recorded('job:thinkgate_budget_exhaustion:ratio_rate30m'), legend: '{{job}}' },
          ],
        },
        {
          title: 'Use of the budget asked for',
          about: 'Thinking tokens over the budget of the request. 1 is a budget used up.',
          kind: 'heatmap',
          unit: 'percentunit',
          width: 12,
          queries: buckets('thinking_budget_used_ratio'),
        },
        {
          title: 'Interventions',
          about:
            'Loops that were broken, thoughts that were prolonged, tokens written in place of the model.',
          unit: 'cps',
          width: 12,
          queries: [
            { expr: rate('loop_breaks_total'), legend: 'loops broken' },
            { expr: rate('thinking_extensions_total'), legend: 'thoughts prolonged' },
            { expr: rate('forced_tokens_total'), legend: 'tokens forced' },
          ],
        },
      ],
    },
    {
      title: 'What auto mode saves (with --holdout-share)',
      panels: [
        {
          title: 'Tokens saved per request',
          about:
            'Against always thinking, with its 95 % interval, since the start of the server. While zero lies inside the band nothing is proven.',
          kind: 'band',
          unit: 'short',
          queries: [{ expr: value('saved_tokens_per_request'), legend: '{{bound}}' }],
        },
        {
          title: 'Seconds saved per request',
          about: 'The same in seconds, arrival to end.',
          kind: 'band',
          unit: 's',
          queries: [{ expr: value('saved_seconds_per_request'), legend: '{{bound}}' }],
        },
        {
          title: 'Size of the experiment',
          about: 'Requests of either arm; the estimate needs 30 in both.',
          unit: 'short',
          width: 4,
          queries: [
            { expr: `sum by (arm) (${value('holdout_requests_total')})`, legend: '{{arm}}' },
          ],
        },
        {
          title: 'Tokens of a request by arm',
          about: 'Mean of all requests since the start.',
          unit: 'short',
          width: 4,
          queries: [
            {
              expr: `sum by (arm) (${value('holdout_tokens_total')}) / sum by (arm) (${value('holdout_requests_total')})`,
              legend: '{{arm}}',
            },
          ],
        },
      ],
    },
  ],
};
