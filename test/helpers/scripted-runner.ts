import type {
  DecodeRow,
  DraftRow,
  ModelLimits,
  ModelRunner,
  PrefillChunk,
  PrefixCopy,
  TiledImage,
} from '../../src/engine/model-runner.ts';

/** What the model makes most likely next, given what was generated so far (forced tokens included). */
export type Script = (generated: readonly number[]) => NextToken | number;

export interface NextToken {
  readonly tokenId: number;
  /** How far its logit lies above every other; 8 unless given. */
  readonly margin?: number;
  /** Exact probabilities of some tokens; the rest of the mass is spread evenly over the others. */
  readonly probabilities?: ReadonlyMap<number, number>;
}

export interface ScriptedSequence {
  readonly script: Script;
  readonly images?: readonly TiledImage[];
  /** Given where a sequence may be prefilled again with what it wrote. */
  readonly promptLength?: number;
  /** Whether it has ended, so that its slot may be taken. */
  readonly isFinished?: () => boolean;
}

export type RunnerCall =
  | {
      readonly kind: 'encode';
      readonly image: TiledImage;
      readonly first: number;
      readonly count: number;
    }
  | { readonly kind: 'copy'; readonly copy: PrefixCopy }
  | { readonly kind: 'verify'; readonly keys: readonly number[]; readonly draft: DraftRow }
  | { readonly kind: 'swap'; readonly slots: readonly [number, number] }
  | { readonly kind: 'prefill'; readonly key: number; readonly chunk: PrefillChunk }
  | {
      readonly kind: 'decode';
      readonly keys: readonly number[];
      readonly rows: readonly DecodeRow[];
    };

export interface ScriptedRunnerOptions {
  readonly limits: ModelLimits;
  readonly imageTokenId: number;
  /** Whether a step may overwrite what a verified draft left. */
  readonly speculates?: boolean;
  /** Called before each call does its work: may throw, or return a promise to wait for. */
  readonly onCall?: (call: RunnerCall, index: number) => Promise<void> | void;
}

interface Slot {
  readonly key: number;
  readonly sequence: ScriptedSequence;
  /** What the cache would hold. */
  readonly cached: number[];
  /** The image's feature in every cached row; undefined where there is none. */
  readonly features: (number | undefined)[];
  promptLength: number | null;
}

export const FEATURES_PER_TILE = 2;

/**
 * A ModelRunner that plays scripts, keyed by the first token of the prompt, and keeps account of every slot as a real
 * cache would: it throws on a position that does not follow, a slot taken while its sequence lives, an image's row
 * without its own feature, tiles out of order. Logits are views that turn to NaN with the next call, as the seam allows.
 */
export class ScriptedRunner implements ModelRunner {
  readonly limits: ModelLimits;
  readonly calls: RunnerCall[] = [];
  readonly #options: ScriptedRunnerOptions;
  readonly #sequences = new Map<number, ScriptedSequence>();
  readonly #slots = new Map<number, Slot>();
  #lent: Float32Array[] = [];
  #busy = false;

  constructor(options: ScriptedRunnerOptions) {
    this.limits = options.limits;
    this.#options = options;
  }

  /** Registers what the model does with the prompt that begins with `key`. */
  add(key: number, sequence: ScriptedSequence): void {
    this.#sequences.set(key, sequence);
  }

  /** The logits the model gives after `generated`; a fresh array. */
  logitsAfter(key: number, generated: readonly number[]): Float32Array {
    return logitsOf(this.#sequence(key).script(generated), this.limits.vocabSize, generated.length);
  }

  encodeTiles(
    image: TiledImage,
    first: number,
    count: number,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    return this.#call({ kind: 'encode', image, first, count }, signal, () => {
      if (count < 1 || first < 0 || first + count > image.numTiles) {
        throw new Error(`Tiles ${first} + ${count} are not among the image's ${image.numTiles}.`);
      }
      const { hiddenSize } = this.limits;
      const features = new Float32Array(count * FEATURES_PER_TILE * hiddenSize);
      return features.map((_, i) => first + Math.floor(i / (FEATURES_PER_TILE * hiddenSize)));
    });
  }

  /** Row r of an image is filled with its first hash digit's code * 1000 + r. */
  packFeatures(image: TiledImage, features: Float32Array): Float32Array {
    const { hiddenSize } = this.limits;
    const perTile = FEATURES_PER_TILE * hiddenSize;
    if (features.length !== image.numTiles * perTile) {
      throw new Error(`${image.numTiles} tiles need ${image.numTiles * perTile} values.`);
    }
    features.forEach((tile, i) => {
      if (tile !== Math.floor(i / perTile)) throw new Error(`Value ${i} is of tile ${tile}.`);
    });
    return Float32Array.from({ length: image.numTokens * hiddenSize }, (_, i) =>
      rowValue(image, Math.floor(i / hiddenSize)),
    );
  }

  prefill(chunk: PrefillChunk, signal?: AbortSignal): Promise<Float32Array | undefined> {
    const first = chunk.tokenIds[0] ?? -1;
    const key = chunk.start === 0 ? first : (this.#slots.get(chunk.slot)?.key ?? -1);
    return this.#call({ kind: 'prefill', key, chunk }, signal, () => {
      const slot = this.#occupy(chunk.slot, key, chunk.start);
      this.#write(slot, chunk);
      const { promptLength = Infinity } = slot.sequence;
      if (slot.cached.length >= promptLength) slot.promptLength = promptLength;
      if (!chunk.needsLogits) return undefined;
      slot.promptLength = slot.cached.length;
      return this.#lend(slot);
    });
  }

  decode(rows: readonly DecodeRow[]): Promise<readonly Float32Array[]> {
    const keys = rows.map(({ slot }) => this.#slots.get(slot)?.key ?? -1);
    return this.#call({ kind: 'decode', keys, rows }, undefined, () => {
      if (new Set(rows.map(({ slot }) => slot)).size < rows.length) {
        throw new Error('Two rows of a step use one slot.');
      }
      return rows.map(({ slot: number, position, tokenId }) => {
        const slot = this.#slot(number);
        if (slot.promptLength === null) throw new Error(`Slot ${number} is still in its prompt.`);
        // Rejected draft tokens are behind it.
        const isKnown = this.#options.speculates === true && position < slot.cached.length;
        if (isKnown) slot.cached.length = slot.features.length = position;
        if (position !== slot.cached.length || position >= this.limits.slotCapacity) {
          throw new Error(
            `Slot ${number} holds ${slot.cached.length} tokens; got position ${position}.`,
          );
        }
        slot.cached.push(tokenId);
        slot.features.push(undefined);
        return this.#lend(slot);
      });
    });
  }

  verify(draft: DraftRow): Promise<readonly Float32Array[]> {
    const keys = [this.#slots.get(draft.slot)?.key ?? -1];
    return this.#call({ kind: 'verify', keys, draft }, undefined, () => {
      const slot = this.#slot(draft.slot);
      const { position, tokenIds } = draft;
      if (slot.promptLength === null || position < slot.promptLength) {
        throw new Error(`Slot ${draft.slot} is still in its prompt.`);
      }
      if (position > slot.cached.length || position + tokenIds.length > this.limits.slotCapacity) {
        throw new Error(`Slot ${draft.slot} holds ${slot.cached.length}; got ${position}.`);
      }
      slot.cached.length = position;
      slot.features.length = position;
      return tokenIds.map((tokenId) => {
        slot.cached.push(tokenId);
        slot.features.push(undefined);
        return this.#lend(slot);
      });
    });
  }

  copyPrefix(copy: PrefixCopy): Promise<void> {
    return this.#call({ kind: 'copy', copy }, undefined, () => {
      const { fromSlot, toSlot, numTokens } = copy;
      const from = this.#slot(fromSlot);
      if (fromSlot === toSlot || numTokens < 1 || numTokens > from.cached.length) {
        throw new Error(`Slot ${fromSlot} holds ${from.cached.length} tokens; got ${numTokens}.`);
      }
      const to = this.#occupy(toSlot, from.key, 0);
      to.cached.push(...from.cached.slice(0, numTokens));
      to.features.push(...from.features.slice(0, numTokens));
    });
  }

  swapSlots(one: number, other: number): Promise<void> {
    return this.#call({ kind: 'swap', slots: [one, other] }, undefined, () => {
      const [left, right] = [this.#slot(one), this.#slots.get(other)];
      if (right === undefined) this.#slots.delete(one);
      else this.#slots.set(one, right);
      this.#slots.set(other, left);
    });
  }

  async dispose(): Promise<void> {}

  async #call<T>(call: RunnerCall, signal: AbortSignal | undefined, work: () => T): Promise<T> {
    if (this.#busy) throw new Error('Two calls at once.');
    this.#busy = true;
    for (const logits of this.#lent) logits.fill(Number.NaN);
    this.#lent = [];
    this.calls.push(call);
    try {
      const waiting = this.#options.onCall?.(call, this.calls.length - 1);
      if (waiting !== undefined) await (signal ? orAborted(waiting, signal) : waiting);
      signal?.throwIfAborted();
      return work();
    } finally {
      this.#busy = false;
    }
  }

  #sequence(key: number): ScriptedSequence {
    const sequence = this.#sequences.get(key);
    if (sequence === undefined) throw new Error(`No script for prompts that begin with ${key}.`);
    return sequence;
  }

  /** The slot for the sequence of `key` with its first `start` rows kept, whoever wrote them. */
  #occupy(number: number, key: number, start: number): Slot {
    if (number < 0 || number >= this.limits.numSlots)
      throw new Error(`There is no slot ${number}.`);
    const sequence = this.#sequence(key);
    const holder = this.#slots.get(number);
    if (holder?.sequence !== sequence && holder?.sequence.isFinished?.() === false) {
      throw new Error(`Slot ${number} is still in use by ${holder.key}.`);
    }
    const held = holder?.cached.length ?? 0;
    if (start > held) throw new Error(`Chunk at ${start}; ${held} are cached.`);
    const cached = holder?.cached.slice(0, start) ?? [];
    const features = holder?.features.slice(0, start) ?? [];
    const slot = { key, sequence, cached, features, promptLength: null };
    this.#slots.set(number, slot);
    return slot;
  }

  #slot(number: number): Slot {
    const slot = this.#slots.get(number);
    if (slot === undefined) throw new Error(`Slot ${number} is empty.`);
    return slot;
  }

  #write(slot: Slot, { start, tokenIds, features }: PrefillChunk): void {
    if (tokenIds.length < 1) throw new Error('The chunk is empty.');
    if (start + tokenIds.length > this.limits.slotCapacity) throw new Error('The slot is full.');
    const { hiddenSize } = this.limits;
    const values: (number | undefined)[] = new Array(tokenIds.length).fill(undefined);
    for (const { offset, rows } of features) {
      for (let row = 0; row * hiddenSize < rows.length; row++) {
        const [value, ...rest] = rows.subarray(row * hiddenSize, (row + 1) * hiddenSize);
        if (rest.length !== hiddenSize - 1 || rest.some((other) => other !== value)) {
          throw new Error(`Row ${offset + row} is not one feature.`);
        }
        if (values[offset + row] !== undefined || offset + row >= values.length) {
          throw new Error(`Row ${offset + row} has two features, or lies outside the chunk.`);
        }
        values[offset + row] = value;
      }
    }
    slot.cached.push(...tokenIds);
    slot.features.push(...values);
    this.#checkFeatures(slot);
  }

  /** Every row of the slot, reused ones included, has the feature of its own image, or none. */
  #checkFeatures({ sequence, cached, features }: Slot): void {
    const expected = (sequence.images ?? []).flatMap((image) =>
      Array.from({ length: image.numTokens }, (_, row) => rowValue(image, row)),
    );
    cached.forEach((id, row) => {
      const isPlaceholder = id === this.#options.imageTokenId;
      const wanted = isPlaceholder ? expected.shift() : undefined;
      if (features[row] !== wanted) {
        throw new Error(`Row ${row} has feature ${features[row]}, expected ${wanted}.`);
      }
    });
  }

  #lend(slot: Slot): Float32Array {
    const logits = this.logitsAfter(slot.key, slot.cached.slice(slot.promptLength ?? 0));
    this.#lent.push(logits);
    return logits;
  }
}

/** What a hash's first character and a row number make of a feature. */
function rowValue(image: TiledImage, row: number): number {
  return image.hash.charCodeAt(0) * 1000 + row;
}

async function orAborted(waiting: Promise<void>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => reject(new Error('The run was ended.'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    waiting.then(resolve, reject);
  });
}

function logitsOf(next: NextToken | number, vocabSize: number, step: number): Float32Array {
  const {
    tokenId,
    margin = 8,
    probabilities,
  } = typeof next === 'number' ? { tokenId: next } : next;
  if (probabilities !== undefined) return exactLogits(probabilities, vocabSize);
  // Uneven, so that a mistake in picking the largest shows.
  const logits = Float32Array.from(
    { length: vocabSize },
    (_, id) => -(((id * 37 + step * 11) % 101) / 101),
  );
  logits[tokenId] = margin;
  return logits;
}

function exactLogits(probabilities: ReadonlyMap<number, number>, vocabSize: number): Float32Array {
  const given = [...probabilities.values()].reduce((sum, p) => sum + p, 0);
  const rest = Math.max(0, 1 - given) / (vocabSize - probabilities.size);
  return Float32Array.from({ length: vocabSize }, (_, id) =>
    Math.log(probabilities.get(id) ?? rest),
  );
}
