/**
 * The same text through two variants of a model: the first writes it and its logits are kept, the second is made to
 * follow it, so that every position compares under the same text.
 */
import { argmax } from '../../../engine/sampling/logprobs.ts';
import { DecisionProbe, type ProbeTokens } from '../../../engine/thinking/probe.ts';
import type { LogitDistances } from './logit-distances.ts';
import type { PromptPlayer, ReplayPrompt } from './prompt-player.ts';

/** What a variant is read with. */
export interface ReplayReader {
  /** null where the model's choice cannot be measured, or the prompt leaves it none. */
  readonly probe: ProbeTokens | null;
  /** A token that writes white space only. */
  readonly isBlank: (tokenId: number) => boolean;
}

export interface RecordOptions extends ReplayReader {
  /** Generation ends at any of these. */
  readonly eos: ReadonlySet<number>;
  /** Most tokens to generate. */
  readonly maxTokens: number;
  /** Positions whose logits are kept, from the end of the prompt on. */
  readonly keptLogits: number;
}

export interface Recording {
  readonly prompt: ReplayPrompt;
  /** The tokens that followed the prompt, without the one that ended the turn. */
  readonly generated: readonly number[];
  /** Copies, float32 [vocabSize]: after the prompt, after the first generated token, and so on. */
  readonly logits: readonly Float32Array[];
  readonly pThink: number | null;
  /** Positions that had a part in p(think), from the end of the prompt on. */
  readonly decisionLength: number;
}

/** Lets the model write greedily. */
export async function record(
  player: PromptPlayer,
  prompt: ReplayPrompt,
  options: RecordOptions,
): Promise<Recording> {
  const decision = new DecisionReader(options);
  const generated: number[] = [];
  const kept: Float32Array[] = [];
  let logits = await player.prefill(prompt);
  for (;;) {
    if (kept.length < options.keptLogits) kept.push(logits.slice());
    const tokenId = argmax(logits);
    decision.look(logits, tokenId);
    const isOver = options.eos.has(tokenId) || generated.length >= options.maxTokens;
    if (isOver || !player.hasRoom) break;
    generated.push(tokenId);
    logits = await player.step(tokenId);
  }
  const { pThink, numRead: decisionLength } = decision;
  return { prompt, generated, logits: kept, pThink, decisionLength };
}

/** Leads another variant through a recording, as far as there is something to compare. @returns its p(think) */
export async function replay(
  player: PromptPlayer,
  recording: Recording,
  { distances, ...reader }: ReplayReader & { readonly distances: LogitDistances },
): Promise<number | null> {
  const { prompt, generated, logits: kept, decisionLength } = recording;
  const decision = new DecisionReader(reader);
  const length = Math.max(kept.length, decisionLength);
  let logits = await player.prefill(prompt);
  for (let index = 0; index < length; index += 1) {
    const exact = kept[index];
    if (exact !== undefined) distances.add(exact, logits);
    const tokenId = generated[index];
    decision.look(logits, tokenId ?? argmax(logits));
    if (tokenId === undefined || index + 1 === length) break;
    logits = await player.step(tokenId);
  }
  return decision.pThink;
}

class DecisionReader {
  readonly #probe: DecisionProbe | null;
  readonly #isBlank: ReplayReader['isBlank'];
  #numLooks = 0;
  #numRead = 0;

  constructor({ probe, isBlank }: ReplayReader) {
    this.#probe = probe === null ? null : new DecisionProbe(probe);
    this.#isBlank = isBlank;
  }

  get pThink(): number | null {
    return this.#probe?.measurement?.pThink ?? null;
  }

  /** Positions up to the last one that changed p(think). */
  get numRead(): number {
    return this.#numRead;
  }

  look(logits: Float32Array, tokenId: number): void {
    const before = this.pThink;
    this.#probe?.read(logits);
    this.#numLooks += 1;
    if (this.pThink !== before) this.#numRead = this.#numLooks;
    this.#probe?.accept(tokenId, this.#isBlank(tokenId));
  }
}
