/** What became of the logits, and of the decision to think, at the end of every prompt. */
import { argmax } from '../../../../engine/sampling/logprobs.ts';
import { DecisionProbe, type ProbeTokens } from '../../../../engine/thinking/probe.ts';
import type { WrittenPrompt } from '../calibration-prompts.ts';
import { LogitComparison, type LogitError } from '../distances.ts';
import { mapRuns, type ThreeRuns } from './three-runs.ts';

export interface PromptOutcome {
  readonly name: string;
  readonly numTokens: number;
  /** Images among them. */
  readonly numImages: number;
  /**
   * p(think) at the first generated token; null without a decision point, and in a way whose logits are no numbers.
   */
  readonly pThink: ThreeRuns<number | null> | null;
  /** What turns the decision: the package's weights against the checkpoint's, and float16 against float32. */
  readonly flippedBy: readonly ('weights' | 'float16')[];
  /** Float16 has the checkpoint's most likely first token. */
  readonly sameFirstToken: boolean;
}

export interface Float16Outcome {
  readonly prompts: readonly PromptOutcome[];
  /** Logits in float16 against the checkpoint's in float32; null where float16 gives something that is no number. */
  readonly againstReference: LogitError | null;
  /** Against the same weights in float32: what arithmetic alone does. */
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
  const probe = new DecisionProbe(tokens);
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

/** null is no side: who has no numbers cannot decide, which differs from both. */
function side(pThink: number | null): boolean | null {
  return pThink === null ? null : pThink >= 0.5;
}

function areNumbers(logits: Float32Array): boolean {
  return logits.every((logit) => Number.isFinite(logit));
}
