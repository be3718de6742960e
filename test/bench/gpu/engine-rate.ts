import { Engine } from '../../../src/engine/engine.ts';
import type { GenerationEvent } from '../../../src/engine/generation.ts';
import type { ModelRunner } from '../../../src/engine/model-runner.ts';
import type { Manifest } from '../../../src/package/manifest.ts';
import { PROTOCOL, PROTOCOL_TOKENS } from '../../helpers/byte-tokens.ts';
import { noConstraint } from '../../helpers/engine-bench.ts';
import { answerRequest } from '../../helpers/runtime-engine.ts';
import { promptTokens } from './prompts.ts';

const PROMPT_TOKENS = 16;
const LETTER = Uint8Array.of(97);

export interface EngineRateOptions {
  readonly manifest: Manifest;
  readonly batch: number;
  /** Number of steps that count: the steps in which all sequences run. */
  readonly steps: number;
}

/**
 * Runs greedy requests through the engine, sampling and events included, without prefix cache and speculative decoding.
 * @returns tokens a second while all sequences run
 */
export async function engineRate(
  runner: ModelRunner,
  { manifest, batch, steps }: EngineRateOptions,
): Promise<number> {
  const count = new WindowCount(batch);
  const engine = new Engine({
    runner,
    protocol: PROTOCOL,
    tokens: PROTOCOL_TOKENS,
    tokenBytes: () => LETTER,
    eos: new Set(),
    imageTokenId: manifest.tokens.image,
    limits: { prefillChunk: 256, tilesPerStep: 1, maxThinkingSeqs: batch, stallMs: 1e9 },
    reuse: { prefixes: false, featureBytes: 0 },
    openConstraint: noConstraint,
    speculates: false,
    now: () => performance.now(),
    emit: (events) => count.take(events),
  });
  for (let which = 0; which < batch; which++) {
    const prompt = promptTokens(manifest, PROMPT_TOKENS, 1000 * batch + which);
    // The engine prefills one prompt a step, so the first sequence is `batch` tokens ahead of the last.
    const maxTokens = steps + 2 * batch;
    engine.submit(answerRequest(prompt, { id: `${batch}-${which}`, maxTokens }));
  }
  await count.over;
  return count.rate;
}

/** Counts tokens from the step after the last sequence has begun to the step before the first ends. */
class WindowCount {
  readonly over: Promise<void>;
  readonly #batch: number;
  readonly #begun = new Set<string>();
  #ended = 0;
  #tokens = 0;
  #from = Number.NaN;
  #until = Number.NaN;
  #finish: () => void = () => undefined;

  constructor(batch: number) {
    this.#batch = batch;
    this.over = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get rate(): number {
    return (1000 * this.#tokens) / (this.#until - this.#from);
  }

  /** @param events the events of one step */
  take(events: readonly { readonly id: string; readonly event: GenerationEvent }[]): void {
    const now = performance.now();
    const tokens = events.filter(({ event }) => event.type === 'token');
    const ends = events.filter(({ event }) => event.type === 'finish').length;
    this.#ended += ends;
    if (!Number.isNaN(this.#from) && this.#ended === 0) {
      this.#tokens += tokens.length;
      this.#until = now;
    }
    for (const { id } of tokens) this.#begun.add(id);
    if (this.#begun.size === this.#batch && Number.isNaN(this.#from)) this.#from = now;
    if (this.#ended === this.#batch) this.#finish();
  }
}
