import type { Decision, ThinkingEnd } from '../../engine/thinking/decision.ts';
import { BUDGET_BUCKETS, LATENCY_BUCKETS, PROBABILITY_BUCKETS, TOKEN_BUCKETS } from './buckets.ts';
import type { MetricRegistry } from './metric-registry.ts';

const ENDS: Readonly<Record<ThinkingEnd, true>> = {
  natural: true,
  budget: true,
  loop: true,
  client: true,
  deadline: true,
  max_tokens: true,
  stop: true,
  abort: true,
  error: true,
};

/** What only a server that leaves the choice to the model has to say. */
export class ThinkingMetrics {
  readonly decisions;
  readonly decisionsChanged;
  readonly probability;
  readonly thinkingTokens;
  readonly answerTokens;
  readonly thinkingTime;
  readonly timeToFirstAnswerToken;
  readonly thinkingEnded;
  readonly loopBreaks;
  readonly extensions;
  readonly budgetUsed;
  readonly emptyAnswers;
  readonly quotaFallbacks;

  constructor(registry: MetricRegistry) {
    this.decisions = registry.counter({
      name: 'thinkgate_decisions_total',
      help: 'Decisions to think or to answer directly: what was asked for, what happened, who decided.',
      labels: ['requested', 'mode', 'source'],
    });
    this.decisionsChanged = registry.counter({
      name: 'thinkgate_decisions_changed_total',
      help: "Decisions that were the model's to take and came out otherwise: who changed them.",
      labels: ['by'],
    });
    this.quotaFallbacks = registry.counter({
      name: 'thinkgate_quota_fallbacks_total',
      help: 'Requests answered directly because the thinking quota of their key was used up.',
    });
    this.probability = registry.histogram({
      name: 'thinkgate_thinking_probability',
      help: 'Probability of thinking at the decision point, raw, where it was measured.',
      buckets: PROBABILITY_BUCKETS,
    });
    this.thinkingTokens = registry.histogram({
      name: 'thinkgate_thinking_tokens',
      help: 'Thinking tokens of a generation, tags included.',
      labels: ['mode'],
      buckets: TOKEN_BUCKETS,
    });
    this.answerTokens = registry.histogram({
      name: 'thinkgate_answer_tokens',
      help: 'Answer tokens of a generation.',
      labels: ['mode'],
      buckets: TOKEN_BUCKETS,
    });
    this.thinkingTime = registry.histogram({
      name: 'thinkgate_thinking_seconds',
      help: 'First token to the end of the thinking, of generations that thought (engine).',
      buckets: LATENCY_BUCKETS,
    });
    this.timeToFirstAnswerToken = registry.histogram({
      name: 'thinkgate_time_to_first_answer_token_seconds',
      help: 'Arrival to the first text of the answer, thinking included.',
      labels: ['mode'],
      buckets: LATENCY_BUCKETS,
    });
    this.thinkingEnded = registry.counter({
      name: 'thinkgate_thinking_ended_total',
      help: 'Why thinking ended.',
      labels: ['ended_by'],
    });
    this.loopBreaks = registry.counter({
      name: 'thinkgate_loop_breaks_total',
      help: 'Thinking that repeated itself and was closed.',
    });
    this.extensions = registry.counter({
      name: 'thinkgate_thinking_extensions_total',
      help: 'Ends of thinking that became the word to go on.',
    });
    this.budgetUsed = registry.histogram({
      name: 'thinkgate_thinking_budget_used_ratio',
      help: 'Thinking tokens over the budget asked for, of generations that thought within one.',
      buckets: BUDGET_BUCKETS,
    });
    this.emptyAnswers = registry.counter({
      name: 'thinkgate_empty_answers_total',
      help: 'Generations that came to an end without any text in the answer.',
    });
    this.#startAtZero();
  }

  /** Rates and alerts need a first value to count from. */
  #startAtZero(): void {
    for (const mode of ['think', 'fast']) {
      this.decisions.inc({ requested: 'auto', mode, source: 'model' }, 0);
    }
    const changers: readonly Decision['source'][] = ['request', 'policy', 'load', 'budget'];
    for (const by of changers) this.decisionsChanged.inc({ by }, 0);
    for (const end of Object.keys(ENDS)) this.thinkingEnded.inc({ ended_by: end }, 0);
  }
}
