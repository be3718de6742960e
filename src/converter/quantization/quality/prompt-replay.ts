import type { FeatureSpan, ModelRunner, TiledImage } from '../../../engine/model-runner.ts';
import { encodeTiles, type PromptImage } from '../../../engine/prompt-image.ts';
import { argmax } from '../../../engine/sampling/logprobs.ts';
import { DecisionProbe, type ProbeTokens, probeTree } from '../../../engine/thinking/probe.ts';
import type { LogitDistances } from './distances.ts';

/**
 * Replays a text through two variants of a model. The first variant generates the text and its logits are kept. The
 * second is fed the same tokens, so every position is compared after the same text.
 */

/** A prompt as the chat template renders it. */
export interface ReplayPrompt {
  /** Each image has one placeholder token per feature. */
  readonly promptTokenIds: Int32Array;
  /** Images in prompt order. */
  readonly images: readonly TiledImage[];
}

/** Tokens per prefill chunk, as in the server; it bounds the attention's scratch memory. */
const CHUNK = 512;

/** Slot of every replayed sequence. */
export const REPLAY_SLOT = 0;

/** Runs one sequence at a time through a model, token by token, without the engine. */
export class PromptPlayer {
  readonly #runner: ModelRunner;
  readonly #imageTokenId: number | null;
  readonly #signal: AbortSignal;
  #position = 0;

  constructor(runner: ModelRunner, imageTokenId: number | null, signal: AbortSignal) {
    this.#runner = runner;
    this.#imageTokenId = imageTokenId;
    this.#signal = signal;
  }

  /** Tokens of the current sequence in the KV cache. */
  get numTokens(): number {
    return this.#position;
  }

  /** Whether the slot has space for another token. */
  get hasRoom(): boolean {
    return this.#position < this.#runner.limits.slotCapacity;
  }

  /** Starts a new sequence. @returns logits float32 [vocabSize] after the prompt, valid until the next call */
  async prefill({ promptTokenIds, images }: ReplayPrompt): Promise<Float32Array> {
    const rows = await this.#features(images);
    const { length } = promptTokenIds;
    let logits: Float32Array | undefined;
    for (let start = 0; start < length; start += CHUNK) {
      const tokenIds = promptTokenIds.subarray(start, start + CHUNK);
      const features = this.#spans(tokenIds, rows);
      const needsLogits = start + CHUNK >= length;
      const chunk = { slot: REPLAY_SLOT, start, tokenIds, features, needsLogits };
      logits = await this.#runner.prefill(chunk, this.#signal);
    }
    this.#position = length;
    if (logits === undefined) throw new Error('A prompt needs at least one token.');
    return logits;
  }

  /** @returns logits float32 [vocabSize] after one more token, valid until the next call */
  async step(tokenId: number): Promise<Float32Array> {
    this.#signal.throwIfAborted();
    const row = { slot: REPLAY_SLOT, position: this.#position, tokenId };
    const [logits] = await this.#runner.decode([row]);
    this.#position += 1;
    if (logits === undefined) throw new Error('The step returned no logits.');
    return logits;
  }

  /** Feature rows of all images, in prompt order. */
  async #features(images: readonly TiledImage[]): Promise<FeatureRows> {
    const parts: Float32Array[] = [];
    for (const source of images) {
      const image: PromptImage = { source, start: 0, encoded: [], numEncoded: 0, packed: null };
      while (image.packed === null) await encodeTiles(this.#runner, image, 1, this.#signal);
      parts.push(image.packed);
    }
    return new FeatureRows(parts, this.#runner.limits.hiddenSize);
  }

  #spans(tokenIds: Int32Array, rows: FeatureRows): FeatureSpan[] {
    const spans: FeatureSpan[] = [];
    for (const [offset, id] of tokenIds.entries()) {
      if (id === this.#imageTokenId) spans.push({ offset, rows: rows.next() });
    }
    return spans;
  }
}

class FeatureRows {
  readonly #parts: readonly Float32Array[];
  readonly #width: number;
  #part = 0;
  #row = 0;

  constructor(parts: readonly Float32Array[], width: number) {
    this.#parts = parts;
    this.#width = width;
  }

  next(): Float32Array {
    const start = this.#row * this.#width;
    const part = this.#parts[this.#part];
    if (part === undefined) throw new Error('The prompt has more placeholders than features.');
    this.#row += 1;
    if (this.#row * this.#width >= part.length) {
      this.#part += 1;
      this.#row = 0;
    }
    return part.subarray(start, start + this.#width);
  }
}

/** Reads the decision from the logits. */
export interface ReplayReader {
  /** null when the protocol has no decision point. */
  readonly probe: ProbeTokens | null;
  /** Whether a token is only white space. */
  readonly isBlank: (tokenId: number) => boolean;
}

export interface RecordOptions extends ReplayReader {
  /** Generation ends at any of these. */
  readonly eos: ReadonlySet<number>;
  /** Maximum number of generated tokens. */
  readonly maxTokens: number;
  /** Number of positions whose logits are kept, from the end of the prompt on. */
  readonly keptLogits: number;
}

export interface Recording {
  readonly prompt: ReplayPrompt;
  /** Generated tokens, without the end token. */
  readonly generated: readonly number[];
  /** Copies, float32 [vocabSize]: after the prompt, after the first generated token, and so on. */
  readonly logits: readonly Float32Array[];
  readonly pThink: number | null;
  /** Number of positions that p(think) depends on, from the end of the prompt on. */
  readonly decisionLength: number;
}

/** Generates greedily and records the logits. */
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

/** Feeds a recording to another variant and compares the kept logits. @returns its p(think) */
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
    const reference = kept[index];
    if (reference !== undefined) distances.add(reference, logits);
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
    this.#probe = probe === null ? null : new DecisionProbe(probeTree(probe));
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
