import type { FinishEvent } from '../../engine/generation.ts';
import type { Metrics } from './metrics.ts';

export interface FinishedGeneration {
  readonly finish: FinishEvent;
  /** null where it ended before anything was decided. */
  readonly mode: 'think' | 'fast' | null;
  readonly hasAnswer: boolean;
  /** From the arrival of the request. */
  readonly totalMs: number;
}

/** What is known of a generation when it ends. Sizes and answers count only where it came to an end of its own. */
export function recordFinish(metrics: Metrics, generation: FinishedGeneration): void {
  const { finish } = generation;
  recordTimes(metrics, generation);
  if (finish.thinkingEnd !== null) {
    metrics.thinking.thinkingEnded.inc({ ended_by: finish.thinkingEnd });
  }
  const { extensions, loopBreaks } = finish.interventions;
  metrics.thinking.extensions.inc(extensions);
  metrics.thinking.loopBreaks.inc(loopBreaks);
  if (finish.reason === 'abort' || finish.reason === 'error') return;
  metrics.requests.success.inc({ finished_reason: finish.reason });
  metrics.latency.endToEnd.observe(generation.totalMs / 1000);
  recordSizes(metrics, generation);
  if (!generation.hasAnswer) metrics.thinking.emptyAnswers.inc();
}

function recordTimes({ latency, thinking }: Metrics, { finish, mode }: FinishedGeneration): void {
  const { queueMs, prefillMs, decodeMs, visionMs, totalMs, thinkingMs } = finish.timing;
  latency.queueTime.observe(queueMs / 1000);
  latency.inferenceTime.observe(Math.max(0, totalMs - queueMs) / 1000);
  latency.prefillTime.observe(prefillMs / 1000);
  latency.decodeTime.observe(decodeMs / 1000);
  const numLater = finish.usage.completionTokens - 1;
  if (numLater > 0) latency.timePerOutputToken.observe(decodeMs / 1000 / numLater);
  if (finish.usage.imageTokens > 0) latency.imageEncode.observe(visionMs / 1000);
  if (mode === 'think') thinking.thinkingTime.observe(thinkingMs / 1000);
}

function recordSizes({ requests, thinking }: Metrics, generation: FinishedGeneration): void {
  const { finish } = generation;
  const { completionTokens, reasoningTokens, preambleTokens } = finish.usage;
  requests.requestGenerationTokens.observe(completionTokens);
  const mode = generation.mode ?? 'fast';
  thinking.thinkingTokens.observe({ mode }, reasoningTokens);
  thinking.answerTokens.observe({ mode }, completionTokens - reasoningTokens - preambleTokens);
  const { asked } = finish.budget;
  if (mode === 'think' && asked !== null && asked > 0) {
    thinking.budgetUsed.observe(reasoningTokens / asked);
  }
}
