import { LATENCY_BUCKETS, STEP_BUCKETS } from './buckets.ts';
import type { MetricRegistry } from './metric-registry.ts';

/**
 * Where the time goes, by vLLM's names. Times are seconds as the server sees them, from the arrival of the request,
 * unless they are said to be the engine's.
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
      'Time between two tokens of one generation.',
      STEP_BUCKETS,
    );
    this.timePerOutputToken = histogram(
      'request_time_per_output_token_seconds',
      'Decode time of a generation over its tokens after the first.',
      STEP_BUCKETS,
    );
    this.endToEnd = seconds('e2e_request_latency_seconds', 'Arrival to the last token.');
    this.queueTime = seconds('request_queue_time_seconds', 'Wait for a slot (engine).');
    this.inferenceTime = seconds(
      'request_inference_time_seconds',
      'In a slot, from admission to the last token (engine).',
    );
    this.prefillTime = seconds('request_prefill_time_seconds', 'Prompt processing (engine).');
    this.decodeTime = seconds('request_decode_time_seconds', 'First to last token (engine).');
    this.imagePreprocess = seconds(
      'image_preprocess_seconds',
      'Images of a request fetched, decoded and tiled, and its prompt written.',
    );
    this.imageEncode = seconds(
      'image_encode_seconds',
      'Vision graph for the images of a generation (engine).',
    );
  }
}
