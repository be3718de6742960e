import { CHOICE_BUCKETS, TOKEN_BUCKETS } from './buckets.ts';
import type { MetricRegistry } from './metric-registry.ts';

/** What any server of language models counts of its requests, by vLLM's names. */
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
    const tokens = (name: string, help: string) =>
      registry.histogram({ name: `thinkgate_${name}`, help, buckets: TOKEN_BUCKETS });
    this.promptTokens = counter('prompt_tokens_total', 'Prompt tokens of all requests.');
    this.cachedTokens = counter(
      'prompt_tokens_cached_total',
      'Of these, tokens taken over from the cache.',
    );
    this.imageTokens = counter('image_tokens_total', 'Of these, placeholders of images.');
    this.generationTokens = counter(
      'generation_tokens_total',
      'Tokens generated, thinking included.',
    );
    this.forcedTokens = counter(
      'forced_tokens_total',
      'Tokens the server wrote in place of the model: ends and extensions of thinking.',
    );
    this.success = registry.counter({
      name: 'thinkgate_request_success_total',
      help: 'Generations that came to their end, by finish reason.',
      labels: ['finished_reason'],
    });
    this.failure = registry.counter({
      name: 'thinkgate_request_failure_total',
      help: 'Requests refused, failed or given up by the client, by error code.',
      labels: ['code'],
    });
    this.strategies = registry.counter({
      name: 'thinkgate_strategy_requests_total',
      help: 'Requests answered by a strategy of several calls.',
      labels: ['type'],
    });
    this.strategyCalls = registry.counter({
      name: 'thinkgate_strategy_calls_total',
      help: 'Calls these made.',
      labels: ['type'],
    });
    this.requestPromptTokens = tokens('request_prompt_tokens', 'Prompt tokens of a generation.');
    this.requestGenerationTokens = tokens(
      'request_generation_tokens',
      'Tokens generated, thinking included.',
    );
    this.paramsMaxTokens = tokens(
      'request_params_max_tokens',
      'Most tokens a generation was allowed.',
    );
    this.paramsN = registry.histogram({
      name: 'thinkgate_request_params_n',
      help: 'Choices a request asked for.',
      buckets: CHOICE_BUCKETS,
    });
    for (const reason of ['stop', 'length', 'timeout'])
      this.success.inc({ finished_reason: reason }, 0);
  }
}
