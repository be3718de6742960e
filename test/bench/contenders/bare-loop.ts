import { openBackend } from '../../../src/engine/runtime/backend.ts';
import { openModelRunner } from '../../../src/engine/runtime/onnx-model-runner.ts';
import { argmax } from '../../../src/engine/sampling/logprobs.ts';
import { readPackage } from '../../../src/package/read-package.ts';
import { answerTasks, freshPrompt } from './contender.ts';

/** The graphs with nothing around them: prompts one after the other, then one batch after the other, largest logit. */
answerTasks(async ({ model, threads, streams, context }) => {
  const { manifest } = await readPackage(model);
  const { backend } = await openBackend('ffi');
  const runner = await openModelRunner({
    packageDir: model,
    manifest,
    backend,
    numThreads: threads,
    numSlots: streams,
    slotCapacity: context,
  });
  const vocabulary = manifest.text.vocabSize;
  return async ({ streams: count, promptTokens, newTokens }) => {
    const prompts = Array.from({ length: count }, () =>
      Int32Array.from(freshPrompt(promptTokens), (id) => id % vocabulary),
    );
    const started = performance.now();
    const next: number[] = [];
    for (const [slot, tokenIds] of prompts.entries()) {
      const chunk = { slot, start: 0, tokenIds, features: [], needsLogits: true };
      const logits = await runner.prefill(chunk);
      next.push(argmax(logits ?? new Float32Array(1)));
    }
    for (let position = promptTokens; position < promptTokens + newTokens - 1; position++) {
      const rows = next.map((tokenId, slot) => ({ slot, position, tokenId }));
      for (const [slot, logits] of (await runner.decode(rows)).entries())
        next[slot] = argmax(logits);
    }
    return { seconds: (performance.now() - started) / 1000, promptTokens };
  };
});
