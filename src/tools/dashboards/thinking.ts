import { buckets, type Dashboard, mean, quantiles, rate, recorded, value } from './panel.ts';

/** How often the model chooses to think, what that costs, and what auto mode saves. */
export const THINKING: Dashboard = {
  uid: 'thinkgate-thinking',
  title: 'thinkgate: thinking',
  about: 'How often the model chooses to think, what that costs, and what auto mode saves.',
  rows: [
    {
      title: 'Decisions',
      panels: [
        {
          title: 'Thinking rate now',
          about: "Share of the model's own decisions that chose to think, last five minutes.",
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
            "Share of the model's own decisions that chose to think. Decisions by a request, the operator, the load, a budget or the hold-out do not count. A lasting shift means that the model, its template or the mix of requests has changed.",
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
          about: 'What decided, and which mode it chose.',
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
            'Probability of thinking at the decision point, before any bias. Two separate bands show a confident model. Where values lie around 0.5, a bias or a threshold has the most effect.',
          kind: 'heatmap',
          unit: 'short',
          queries: buckets('thinking_probability'),
        },
        {
          title: 'Requested mode',
          about: 'The mode that requests ask for, or the default.',
          kind: 'stacked',
          unit: 'cps',
          queries: [{ expr: rate('decisions_total', 'requested'), legend: '{{requested}}' }],
        },
        {
          title: 'Overridden decisions',
          about:
            "Auto requests in which a bias, the load, a budget or a quota replaced the model's choice.",
          kind: 'stacked',
          unit: 'cps',
          queries: [
            { expr: rate('decisions_changed_total', 'by'), legend: '{{by}}' },
            { expr: rate('quota_fallbacks_total'), legend: 'quota (part of policy)' },
          ],
        },
      ],
    },
    {
      title: 'Cost of thinking',
      panels: [
        {
          title: 'Tokens per generation',
          about: 'Mean tokens of a generation, by decided mode.',
          unit: 'short',
          queries: [
            { expr: mean('thinking_tokens', 'mode'), legend: '{{mode}}: thinking' },
            { expr: mean('answer_tokens', 'mode'), legend: '{{mode}}: answer' },
          ],
        },
        {
          title: 'Tokens per second',
          about: 'Generated tokens, by section.',
          kind: 'stacked',
          unit: 'cps',
          queries: [
            { expr: rate('thinking_tokens_sum'), legend: 'thinking' },
            { expr: rate('answer_tokens_sum'), legend: 'answer' },
          ],
        },
        {
          title: 'Thinking tokens',
          about: 'Thinking tokens of a generation, by decided mode.',
          unit: 'short',
          queries: quantiles('thinking_tokens', 'mode'),
        },
        {
          title: 'Time to first answer token',
          about: 'Arrival to the first text of the answer, by decided mode.',
          unit: 's',
          queries: quantiles('time_to_first_answer_token_seconds', 'mode'),
        },
        {
          title: 'Thinking time',
          about: 'First token to the end of the thinking, for generations that think.',
          unit: 's',
          queries: quantiles('thinking_seconds'),
        },
        {
          title: 'Answer tokens',
          about: 'Answer tokens of a generation, by decided mode.',
          unit: 'short',
          queries: quantiles('answer_tokens', 'mode'),
        },
      ],
    },
    {
      title: 'Budgets',
      panels: [
        {
          title: 'Empty answers',
          about: 'Finished generations whose answer has no text. Must stay 0.',
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
          title: 'Ends of thinking',
          about: 'What ended the thinking; natural means that the model closed it.',
          kind: 'stacked',
          unit: 'cps',
          width: 10,
          queries: [{ expr: rate('thinking_ended_total', 'ended_by'), legend: '{{ended_by}}' }],
        },
        {
          title: 'Budget exhaustion',
          about: 'Share of the thinking that a budget or max_tokens ended, last half hour.',
          unit: 'percentunit',
          width: 10,
          queries: [
            { expr: recorded('job:thinkgate_budget_exhaustion:ratio_rate30m'), legend: '{{job}}' },
          ],
        },
        {
          title: 'Use of the budget',
          about: 'Thinking tokens divided by the budget of the request; 1 is a budget used up.',
          kind: 'heatmap',
          unit: 'percentunit',
          width: 12,
          queries: buckets('thinking_budget_used_ratio'),
        },
        {
          title: 'Interventions',
          about:
            'Repetition loops that closed the thinking, ends of thinking replaced by the extension text, and tokens that the server wrote (budget forcing).',
          unit: 'cps',
          width: 12,
          queries: [
            { expr: rate('loop_breaks_total'), legend: 'loop breaks' },
            { expr: rate('thinking_extensions_total'), legend: 'extensions' },
            { expr: rate('forced_tokens_total'), legend: 'forced tokens' },
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
            'Tokens that auto mode saves against always thinking, with the 95 % interval, since the start of the server. A band that contains zero proves no saving.',
          kind: 'band',
          unit: 'short',
          queries: [{ expr: value('saved_tokens_per_request'), legend: '{{bound}}' }],
        },
        {
          title: 'Seconds saved per request',
          about:
            'Seconds that auto mode saves against always thinking, arrival to end, with the 95 % interval.',
          kind: 'band',
          unit: 's',
          queries: [{ expr: value('saved_seconds_per_request'), legend: '{{bound}}' }],
        },
        {
          title: 'Hold-out requests',
          about: 'Requests by arm. The estimate needs 30 in each.',
          unit: 'short',
          width: 4,
          queries: [
            { expr: `sum by (arm) (${value('holdout_requests_total')})`, legend: '{{arm}}' },
          ],
        },
        {
          title: 'Hold-out tokens',
          about: 'Mean generated tokens of a request by arm, since the start.',
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
