import { basename, dirname, resolve } from 'node:path';
import { answerTasks, freshPrompt, peerEntry } from './contender.ts';

/** What is used of @huggingface/transformers, which is not installed with the server. */
interface TransformersJs {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  readonly Tensor: new (type: string, data: BigInt64Array, dims: readonly number[]) => unknown;
  readonly AutoModelForCausalLM: {
    from_pretrained(
      name: string,
      options: object,
    ): Promise<{ generate(options: object): Promise<unknown> }>;
  };
}

answerTasks(async ({ model: folder, threads }) => {
  const entry = peerEntry('@huggingface/transformers/dist/transformers.node.mjs');
  const { env, Tensor, AutoModelForCausalLM }: TransformersJs = await import(entry);
  const path = resolve(folder);
  env.allowRemoteModels = false;
  env.localModelPath = dirname(path);
  const model = await AutoModelForCausalLM.from_pretrained(basename(path), {
    dtype: 'q4',
    device: 'cpu',
    session_options: { intraOpNumThreads: threads },
  });
  return async ({ streams, promptTokens, newTokens }) => {
    const ids = Array.from({ length: streams }, () => freshPrompt(promptTokens)).flat();
    const dims = [streams, promptTokens];
    const started = performance.now();
    await model.generate({
      inputs: new Tensor('int64', BigInt64Array.from(ids, BigInt), dims),
      attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims),
      max_new_tokens: newTokens,
      min_new_tokens: newTokens,
      do_sample: false,
    });
    return { seconds: (performance.now() - started) / 1000, promptTokens };
  };
});
