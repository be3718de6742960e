import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineStatus } from '../engine/generation.ts';

const LATENCY_BUCKETS = [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640,
];
const STEP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const TOKEN_BUCKETS = [0, 1, 4, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768];
const PROBABILITY_BUCKETS = [
  0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1,
];

export interface BuildInfo {
  readonly version: string;
  readonly model: string;
  readonly precision: string;
}

/**
 * All metrics of one server, on a registry of their own. Names follow vLLM's where vLLM has the thing; times are
 * seconds as the server sees them, from the arrival of the request.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly promptTokens = this.#counter('prompt_tokens_total', 'Prompt tokens processed.');
  readonly generationTokens = this.#counter(
    'generation_tokens_total',
    'Tokens generated, thinking included.',
  );
  readonly success = this.#counter(
    'request_success_total',
    'Requests answered, by finish reason.',
    ['finish_reason'],
  );
  readonly failure = this.#counter(
    'request_failure_total',
    'Requests refused, failed or given up by the client, by error code.',
    ['code'],
  );
  readonly timeToFirstToken = this.#histogram(
    'time_to_first_token_seconds',
    'Arrival to the first token.',
    LATENCY_BUCKETS,
  );
  readonly timeToFirstAnswerToken = this.#histogram(
    'time_to_first_answer_token_seconds',
    'Arrival to the first text of the answer, thinking included.',
    LATENCY_BUCKETS,
    ['mode'],
  );
  readonly interTokenLatency = this.#histogram(
    'inter_token_latency_seconds',
    'Time between two tokens of one request.',
    STEP_BUCKETS,
  );
  readonly endToEnd = this.#histogram(
    'e2e_request_latency_seconds',
    'Arrival to the last token.',
    LATENCY_BUCKETS,
  );
  readonly queueTime = this.#histogram(
    'request_queue_time_seconds',
    'Time a request waited for a slot.',
    LATENCY_BUCKETS,
  );
  readonly prefillTime = this.#histogram(
    'request_prefill_time_seconds',
    'Time to process the prompt.',
    LATENCY_BUCKETS,
  );
  readonly decodeTime = this.#histogram(
    'request_decode_time_seconds',
    'Time to generate the tokens.',
    LATENCY_BUCKETS,
  );
  readonly imagePreprocess = this.#histogram(
    'image_preprocess_seconds',
    'Time to fetch, decode and tile the pictures of a request and to write its prompt.',
    LATENCY_BUCKETS,
  );
  readonly imageEncode = this.#histogram(
    'image_encode_seconds',
    'Time the vision graph took for the pictures of a request.',
    LATENCY_BUCKETS,
  );
  readonly decisions = this.#counter(
    'thinking_decisions_total',
    'Decisions to think or to answer directly: what was asked for, what happened, who decided.',
    ['requested', 'mode', 'source'],
  );
  readonly decisionsChanged = this.#counter(
    'thinking_decisions_changed_total',
    "Decisions that were the model's to take and came out otherwise: who changed them.",
    ['by'],
  );
  readonly forcedTokens = this.#counter(
    'forced_tokens_total',
    'Tokens the server wrote in place of the model: ends and extensions of thinking.',
  );
  readonly probability = this.#histogram(
    'thinking_probability',
    'The probability of thinking at the decision point, where it was measured.',
    PROBABILITY_BUCKETS,
  );
  readonly thinkingTokens = this.#histogram(
    'thinking_tokens',
    'Thinking tokens of a request, tags included.',
    TOKEN_BUCKETS,
    ['mode'],
  );
  readonly answerTokens = this.#histogram(
    'answer_tokens',
    'Answer tokens of a request.',
    TOKEN_BUCKETS,
    ['mode'],
  );
  readonly thinkingEnded = this.#counter('thinking_ended_total', 'Why the thinking ended.', [
    'ended_by',
  ]);
  readonly emptyAnswers = this.#counter(
    'empty_answers_total',
    'Requests that came to an end without any text in the answer.',
  );

  /** @param status read at every scrape */
  constructor(status: () => EngineStatus, build: BuildInfo) {
    this.#statusGauge('num_requests_running', 'Requests in a slot.', () => status().numRunning);
    this.#statusGauge('num_requests_waiting', 'Requests in the queue.', () => status().numWaiting);
    this.#statusGauge(
      'kv_cache_usage_ratio',
      'Tokens held in the KV cache, of those it can hold.',
      () => status().kvCacheUsage,
    );
    this.#statusCounter(
      'engine_restarts_total',
      'Times the engine process was started again.',
      () => status().restarts,
    );
    this.#statusCounter(
      'prefix_cache_queries_total',
      'Prompt tokens looked up in the prefix cache; starts over with the engine process.',
      () => status().prefixQueries,
    );
    this.#statusCounter(
      'prefix_cache_hits_total',
      'Prompt tokens found in the prefix cache; starts over with the engine process.',
      () => status().prefixHits,
    );
    const info = this.#gauge('build_info', 'What is running; always 1.', Object.keys(build));
    info.set({ ...build }, 1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** @returns the exposition text, gauges read now */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter<L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect?: () => void,
  ): Counter<L> {
    return new Counter({
      name: `thinkgate_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      ...(collect && { collect }),
    });
  }

  #histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly L[] = [],
  ): Histogram<L> {
    return new Histogram({
      name: `thinkgate_${name}`,
      help,
      buckets: [...buckets],
      labelNames: [...labelNames],
      registers: [this.#registry],
    });
  }

  #gauge(name: string, help: string, labelNames: readonly string[]): Gauge {
    const registers = [this.#registry];
    return new Gauge({ name: `thinkgate_${name}`, help, labelNames, registers });
  }

  #statusCounter(name: string, help: string, read: () => number): void {
    const counter: Counter = this.#counter(name, help, [], () => {
      counter.reset();
      counter.inc(read());
    });
  }

  #statusGauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name: `thinkgate_${name}`,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(read()),
    });
  }
}
