/** Compares the logits and the decision to think of the three runs, at the end of every prompt. */
import { argmax } from '../../../../engine/sampling/logprobs.ts';
import { DecisionProbe, type ProbeTokens, probeTree } from '../../../../engine/thinking/probe.ts';
import type { WrittenPrompt } from '../calibration-prompts.ts';
import { LogitComparison, type LogitError } from '../distances.ts';
import { mapRuns, type ThreeRuns } from './three-runs.ts';

export interface PromptOutcome {
  readonly name: string;
  readonly numTokens: number;
  /** Images in the prompt. */
  readonly numImages: number;
  /**
   * p(think) at the first generated token; null without a decision point, and for a run whose logits are not finite.
   */
  readonly pThink: ThreeRuns<number | null> | null;
  /** What flips the decision: the package's weights against the checkpoint's, or float16 against float32. */
  readonly flippedBy: readonly ('weights' | 'float16')[];
  /** Whether the fp16 run has the same most likely token as the reference. */
  readonly sameFirstToken: boolean;
}

export interface Float16Outcome {
  readonly prompts: readonly PromptOutcome[];
  /** Error of the fp16 run against the reference; null if its logits are not finite. */
  readonly againstReference: LogitError | null;
  /** Error of the fp16 run against the dequantized run: the effect of the arithmetic alone. */
  readonly againstDequantized: LogitError | null;
}

/** @param logits [numPrompts, vocabSize] */
export function compareOutcomes(
  written: readonly WrittenPrompt[],
  logits: ThreeRuns<Float32Array>,
  probe: ProbeTokens | null,
): Float16Outcome {
  const vocabSize = logits.reference.length / written.length;
  const prompts = written.map(({ name, prompt }, row): PromptOutcome => {
    const own = mapRuns((run) => logits[run].subarray(row * vocabSize, (row + 1) * vocabSize));
    const pThink = probe && mapRuns((run) => thinkingProbability(own[run], probe));
    return {
      name,
      numTokens: prompt.promptTokenIds.length,
      numImages: prompt.images.length,
      pThink,
      flippedBy: pThink === null ? [] : flips(pThink),
      sameFirstToken: areNumbers(own.fp16) && argmax(own.fp16) === argmax(own.reference),
    };
  });
  const compare = (reference: Float32Array): LogitError | null => {
    if (!areNumbers(logits.fp16)) return null;
    const comparison = new LogitComparison(written.length);
    comparison.add(reference, logits.fp16);
    return comparison.result();
  };
  return {
    prompts,
    againstReference: compare(logits.reference),
    againstDequantized: compare(logits.dequantized),
  };
}

function thinkingProbability(logits: Float32Array, tokens: ProbeTokens): number | null {
  if (!areNumbers(logits)) return null;
  const probe = new DecisionProbe(probeTree(tokens));
  probe.read(logits);
  return probe.measurement?.pThink ?? null;
}

function flips({
  reference,
  dequantized,
  fp16,
}: ThreeRuns<number | null>): ('weights' | 'float16')[] {
  return [
    ...(side(dequantized) === side(reference) ? [] : (['weights'] as const)),
    ...(side(fp16) === side(dequantized) ? [] : (['float16'] as const)),
  ];
}

/** null differs from both decisions: logits that are not finite give none. */
function side(pThink: number | null): boolean | null {
  return pThink === null ? null : pThink >= 0.5;
}

function areNumbers(logits: Float32Array): boolean {
  return logits.every((logit) => Number.isFinite(logit));
}
