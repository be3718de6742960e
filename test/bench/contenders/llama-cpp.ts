import { answerTasks, freshPrompt, peerEntry } from './contender.ts';

interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: readonly number[], options: object): AsyncIterable<number>;
}

/** What is used of node-llama-cpp, which is not installed with the server. */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{ getSequence(): Sequence }>;
    }>;
  }>;
}

answerTasks(async ({ model: modelPath, threads, streams, context: contextSize }) => {
  const { getLlama }: NodeLlamaCpp = await import(peerEntry('node-llama-cpp/dist/index.js'));
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    maxThreads: threads,
    logLevel: 'error',
  });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({
    sequences: streams,
    contextSize,
    threads,
    batchSize: 512,
  });
  const sequences = Array.from({ length: streams }, () => context.getSequence());

  async function write(
    sequence: Sequence,
    prompt: readonly number[],
    count: number,
  ): Promise<void> {
    let written = 0;
    for await (const _token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
      if (++written === count) break;
    }
    if (written < count) throw new Error(`It ended after ${written} of ${count} tokens.`);
  }

  return async ({ streams: count, promptTokens, newTokens }) => {
    const used = sequences.slice(0, count);
    await Promise.all(used.map((sequence) => sequence.clearHistory()));
    const prompts = used.map(() => freshPrompt(promptTokens));
    const started = performance.now();
    await Promise.all(used.map((one, index) => write(one, prompts[index] ?? [], newTokens)));
    return { seconds: (performance.now() - started) / 1000, promptTokens };
  };
});
