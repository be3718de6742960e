import type { Decision, ThinkingEnd } from '../../engine/thinking/decision.ts';
import type { MetricRegistry } from './metric-registry.ts';

/** Upper bounds of the histograms' buckets: seconds of a request, seconds of a step, tokens, choices, shares. */
const LATENCY_BUCKETS = [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640,
];
const STEP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const TOKEN_BUCKETS = [0, 1, 4, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768];
const CHOICE_BUCKETS = [1, 2, 5, 10, 20];
const PROBABILITY_BUCKETS = [
  0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1,
];
/** A ratio above 1 is possible: the text that closes the thinking counts, but not against the budget. */
const BUDGET_BUCKETS = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.5];

/** Counts and sizes of requests, under vLLM's names where vLLM has the metric. */
export class RequestMetrics {
  readonly promptTokens;
  readonly cachedTokens;
  readonly imageTokens;
  readonly generationTokens;
  readonly forcedTokens;
  readonly success;
  readonly failure;
  readonly strategies;
  readonly strategyCalls;
  readonly requestPromptTokens;
  readonly requestGenerationTokens;
  readonly paramsMaxTokens;
  readonly paramsN;

  constructor(registry: MetricRegistry) {
    const counter = (name: string, help: string) =>
      registry.counter({ name: `thinkgate_${name}`, help });
    const byLabel = <L extends string>(name: string, label: L, help: string) =>
      registry.counter({ name: `thinkgate_${name}`, help, labels: [label] });
    const tokens = (name: string, help: string) =>
      registry.histogram({ name: `thinkgate_${name}`, help, buckets: TOKEN_BUCKETS });
    this.promptTokens = counter('prompt_tokens_total', 'Prompt tokens.');
    this.cachedTokens = counter(
      'prompt_tokens_cached_total',
      'Prompt tokens found in the prefix cache.',
    );
    this.imageTokens = counter('image_tokens_total', 'Prompt tokens that stand for images.');
    this.generationTokens = counter(
      'generation_tokens_total',
      'Generated tokens, thinking included.',
    );
    this.forcedTokens = counter(
      'forced_tokens_total',
      'Generated tokens that the server wrote and the model did not sample (budget forcing).',
    );
    this.success = byLabel(
      'request_success_total',
      'finished_reason',
      'Finished generations, by finish reason.',
    );
    this.failure = byLabel(
      'request_failure_total',
      'code',
      'Requests that were rejected, failed or abandoned by the client, by error code.',
    );
    this.strategies = byLabel(
      'strategy_requests_total',
      'type',
      'Requests answered by a strategy of several generations.',
    );
    this.strategyCalls = byLabel('strategy_calls_total', 'type', 'Generations of these requests.');
    this.requestPromptTokens = tokens('request_prompt_tokens', 'Prompt tokens of a request.');
    this.requestGenerationTokens = tokens(
      'request_generation_tokens',
      'Generated tokens of a generation, thinking included.',
    );
    this.paramsMaxTokens = tokens(
      'request_params_max_tokens',
      'Most tokens that a generation may have: max_tokens, or what is left of the context.',
    );
    this.paramsN = registry.histogram({
      name: 'thinkgate_request_params_n',
      help: 'Choices that a request asks for.',
      buckets: CHOICE_BUCKETS,
    });
    for (const reason of ['stop', 'length', 'timeout']) {
      this.success.inc({ finished_reason: reason }, 0);
    }
  }
}

/**
 * Where the time goes, under vLLM's names. The server measures these times from the arrival of the request; a help
 * text that says `engine` marks a time that the engine process measures.
 */
export class LatencyMetrics {
  readonly timeToFirstToken;
  readonly interTokenLatency;
  readonly timePerOutputToken;
  readonly endToEnd;
  readonly queueTime;
  readonly inferenceTime;
  readonly prefillTime;
  readonly decodeTime;
  readonly imagePreprocess;
  readonly imageEncode;

  constructor(registry: MetricRegistry) {
    const histogram = (name: string, help: string, buckets: readonly number[]) =>
      registry.histogram({ name: `thinkgate_${name}`, help, buckets });
    const seconds = (name: string, help: string) => histogram(name, help, LATENCY_BUCKETS);
    this.timeToFirstToken = seconds('time_to_first_token_seconds', 'Arrival to the first token.');
    this.interTokenLatency = histogram(
      'inter_token_latency_seconds',
      'Time between two tokens of a generation.',
      STEP_BUCKETS,
    );
    this.timePerOutputToken = histogram(
      'request_time_per_output_token_seconds',
      'Decode time of a generation divided by its tokens after the first.',
      STEP_BUCKETS,
    );
    this.endToEnd = seconds('e2e_request_latency_seconds', 'Arrival to the last token.');
    this.queueTime = seconds('request_queue_time_seconds', 'Time in the waiting queue (engine).');
    this.inferenceTime = seconds(
      'request_inference_time_seconds',
      'Admission to the last token (engine).',
    );
    this.prefillTime = seconds('request_prefill_time_seconds', 'Prefill of the prompt (engine).');
    this.decodeTime = seconds('request_decode_time_seconds', 'First to last token (engine).');
    this.imagePreprocess = seconds(
      'image_preprocess_seconds',
      'Time to fetch, decode and tile the images of a request and to render its prompt.',
    );
    this.imageEncode = seconds(
      'image_encode_seconds',
      'Time of the vision graph for the images of a generation (engine).',
    );
  }
}

const THINKING_ENDS: Readonly<Record<ThinkingEnd, true>> = {
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

/** Sources of a decision that replace the model's choice. A hold-out draw does not count: it replaces at random. */
export const OVERRIDING_SOURCES: ReadonlySet<Decision['source']> = new Set([
  'request',
  'policy',
  'load',
  'budget',
]);

/** Decisions between thinking and a direct answer, and what thinking costs. */
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
    const counter = <L extends string = never>(name: string, help: string, labels: L[] = []) =>
      registry.counter({ name: `thinkgate_${name}`, help, labels });
    const byMode = (name: string, help: string, buckets: readonly number[]) =>
      registry.histogram({ name: `thinkgate_${name}`, help, labels: ['mode'], buckets });
    const histogram = (name: string, help: string, buckets: readonly number[]) =>
      registry.histogram({ name: `thinkgate_${name}`, help, buckets });
    this.decisions = counter(
      'decisions_total',
      'Decisions to think or to answer directly: the mode requested, the mode decided, and what decided.',
      ['requested', 'mode', 'source'],
    );
    this.decisionsChanged = counter(
      'decisions_changed_total',
      "Decisions of auto requests that replaced the model's choice, by what replaced it.",
      ['by'],
    );
    this.quotaFallbacks = counter(
      'quota_fallbacks_total',
      'Requests answered directly because the thinking quota of their key was used up.',
    );
    this.probability = histogram(
      'thinking_probability',
      'Probability of thinking at the decision point, before any bias, where it was measured.',
      PROBABILITY_BUCKETS,
    );
    this.thinkingTokens = byMode(
      'thinking_tokens',
      'Thinking tokens of a generation, tags included.',
      TOKEN_BUCKETS,
    );
    this.answerTokens = byMode('answer_tokens', 'Answer tokens of a generation.', TOKEN_BUCKETS);
    this.thinkingTime = histogram(
      'thinking_seconds',
      'First token to the end of the thinking, for generations that think (engine).',
      LATENCY_BUCKETS,
    );
    this.timeToFirstAnswerToken = byMode(
      'time_to_first_answer_token_seconds',
      'Arrival to the first text of the answer, thinking included.',
      LATENCY_BUCKETS,
    );
    this.thinkingEnded = counter('thinking_ended_total', 'Ends of thinking, by cause.', [
      'ended_by',
    ]);
    this.loopBreaks = counter('loop_breaks_total', 'Repetition loops that closed the thinking.');
    this.extensions = counter(
      'thinking_extensions_total',
      'Ends of thinking that the server replaced by the extension text (budget forcing).',
    );
    this.budgetUsed = histogram(
      'thinking_budget_used_ratio',
      'Thinking tokens divided by the budget of the request, for generations that think with a budget.',
      BUDGET_BUCKETS,
    );
    this.emptyAnswers = counter(
      'empty_answers_total',
      'Finished generations whose answer has no text.',
    );
    this.#startAtZero();
  }

  /** Rates and alerts need a first sample to count from. */
  #startAtZero(): void {
    for (const mode of ['think', 'fast']) {
      this.decisions.inc({ requested: 'auto', mode, source: 'model' }, 0);
    }
    for (const by of OVERRIDING_SOURCES) this.decisionsChanged.inc({ by }, 0);
    for (const end of Object.keys(THINKING_ENDS)) this.thinkingEnded.inc({ ended_by: end }, 0);
  }
}
