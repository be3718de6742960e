/** The checks of a step's input against the KV cache, and the cutting of prompt chunks into runs. */
import {
  type DecodeRow,
  type DraftRow,
  type FeatureSpan,
  MAX_VERIFIED,
  type PrefillChunk,
  type PrefixCopy,
} from '../model-runner.ts';
import type { KvCache } from './kv-cache.ts';
import { RuntimeError } from './session.ts';

/** @throws RuntimeError when a chunk does not fit its slot or its features do not fit the chunk */
export function checkPrefillChunk(chunk: PrefillChunk, cache: KvCache, hiddenSize: number): void {
  const { slot, start, tokenIds, features } = chunk;
  checkSlot(slot, cache);
  const numTokens = tokenIds.length;
  if (numTokens === 0) throw new RuntimeError(`The chunk for slot ${slot} has no tokens.`);
  checkPosition(slot, start, cache);
  if (start + numTokens > cache.slotCapacity) {
    throw new RuntimeError(
      `A chunk of ${numTokens} tokens at position ${start} ends past slot ${slot}'s ` +
        `${cache.slotCapacity} positions.`,
    );
  }
  for (const { offset, rows } of features) {
    const numRows = rows.length / hiddenSize;
    if (!Number.isInteger(numRows)) {
      throw new RuntimeError(
        `Features come in rows of ${hiddenSize} elements, got ${rows.length} elements.`,
      );
    }
    if (!Number.isInteger(offset) || offset < 0 || offset + numRows > numTokens) {
      throw new RuntimeError(
        `${numRows} feature rows at offset ${offset} do not fit a chunk of ${numTokens} tokens.`,
      );
    }
  }
}

/** @throws RuntimeError when a row's slot or position does not exist, or two rows name one slot */
export function checkDecodeRows(rows: readonly DecodeRow[], cache: KvCache): void {
  const seen = new Set<number>();
  for (const { slot, position } of rows) {
    checkSlot(slot, cache);
    if (seen.has(slot)) throw new RuntimeError(`Slot ${slot} is in the step twice.`);
    seen.add(slot);
    checkPosition(slot, position, cache);
    if (position >= cache.slotCapacity) {
      throw new RuntimeError(
        `Position ${position} is past slot ${slot}'s ${cache.slotCapacity} positions.`,
      );
    }
  }
}

/** @throws RuntimeError when a draft does not fit its slot, or has more than MAX_VERIFIED tokens */
export function checkDraft({ slot, position, tokenIds }: DraftRow, cache: KvCache): void {
  checkSlot(slot, cache);
  checkPosition(slot, position, cache);
  const numTokens = tokenIds.length;
  if (numTokens < 1 || numTokens > MAX_VERIFIED) {
    throw new RuntimeError(`1 to ${MAX_VERIFIED} tokens can be verified, got ${numTokens}.`);
  }
  if (position + numTokens > cache.slotCapacity) {
    throw new RuntimeError(
      `${numTokens} tokens at position ${position} end past slot ${slot}'s ${cache.slotCapacity} positions.`,
    );
  }
}

/** @throws RuntimeError when a slot does not exist, both are the same, or the first holds fewer tokens */
export function checkPrefixCopy(copy: PrefixCopy, cache: KvCache): void {
  const { fromSlot, toSlot, numTokens } = copy;
  checkSlot(fromSlot, cache);
  checkSlot(toSlot, cache);
  if (fromSlot === toSlot) throw new RuntimeError(`Slot ${toSlot} cannot be copied to itself.`);
  const length = cache.lengths[fromSlot]!;
  if (!Number.isInteger(numTokens) || numTokens < 1 || numTokens > length) {
    throw new RuntimeError(
      `Slot ${fromSlot} holds ${length} tokens; ${numTokens} of them cannot be copied.`,
    );
  }
}

/** @throws RuntimeError when there is no such slot */
export function checkSlot(slot: number, cache: KvCache): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= cache.numSlots) {
    throw new RuntimeError(`There is no slot ${slot}; the slots are 0 to ${cache.numSlots - 1}.`);
  }
}

/** A step may overwrite a slot's tokens, but not leave a gap after them. */
function checkPosition(slot: number, position: number, cache: KvCache): void {
  const length = cache.lengths[slot]!;
  if (!Number.isInteger(position) || position < 0 || position > length) {
    throw new RuntimeError(
      `Slot ${slot} holds ${length} tokens; the next cannot be at position ${position}.`,
    );
  }
}

/**
 * Cuts a chunk into pieces of at most `longest` tokens, each a chunk of its own (Device.longestRun).
 * @param hiddenSize elements of a feature row
 */
export function splitChunk(
  chunk: PrefillChunk,
  longest: number,
  hiddenSize: number,
): readonly PrefillChunk[] {
  const { start, tokenIds, features, needsLogits } = chunk;
  const { length } = tokenIds;
  if (length <= longest) return [chunk];
  return Array.from({ length: Math.ceil(length / longest) }, (_, index) => {
    const first = index * longest;
    const end = Math.min(first + longest, length);
    return {
      ...chunk,
      start: start + first,
      tokenIds: tokenIds.subarray(first, end),
      features: features.flatMap((span) => partOf(span, { first, end, hiddenSize })),
      needsLogits: needsLogits && end === length,
    };
  });
}

/** Returns the rows of a span that lie in a piece of its chunk, or nothing. */
function partOf(
  { offset, rows }: FeatureSpan,
  { first, end, hiddenSize }: { first: number; end: number; hiddenSize: number },
): FeatureSpan[] {
  const from = Math.max(offset, first);
  const to = Math.min(offset + rows.length / hiddenSize, end);
  if (from >= to) return [];
  const part = rows.subarray((from - offset) * hiddenSize, (to - offset) * hiddenSize);
  return [{ offset: from - first, rows: part }];
}
