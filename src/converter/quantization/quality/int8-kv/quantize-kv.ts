/**
 * Adds graphs with an int8 KV cache to a package and measures their error.
 *
 * The scales are calibrated on half of the prompts, which run with the fp32 KV cache. The other half runs twice: with the
 * fp32 KV cache, which also shows how much the scales clip, and with the new graphs over the same text. The package gets
 * the graphs that were measured.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openModelRunner,
  type PackageRunner,
} from '../../../../engine/runtime/onnx-model-runner.ts';
import type { Backend } from '../../../../engine/runtime/session.ts';
import { type Int8KvGraphs, writeInt8Kv } from '../../../../package/edit-package.ts';
import type { Manifest } from '../../../../package/manifest.ts';
import { readPackage } from '../../../../package/read-package.ts';
import { createChatFormatter } from '../../../../server/prompt/formatter.ts';
import { int8KvDecoder, type KvScales } from '../../int8-kv-graph.ts';
import {
  type CalibrationPrompt,
  readerOf,
  type WrittenPrompt,
  writePrompts,
} from '../calibration-prompts.ts';
import { LogitDistances } from '../distances.ts';
import {
  PromptPlayer,
  REPLAY_SLOT,
  type Recording,
  type RecordOptions,
  type ReplayReader,
  record,
  replay,
} from '../prompt-replay.ts';
import { Clipping, cacheContents, KvRanges } from './cache-ranges.ts';
import {
  cacheMemory,
  type DecisionPair,
  decisionShifts,
  type Int8KvReport,
} from './int8-kv-report.ts';

export interface QuantizeKvOptions {
  readonly packageDir: string;
  readonly backend: Backend;
  readonly numThreads: number;
  /** At least two. Those with an even index calibrate, the others measure. */
  readonly prompts: readonly CalibrationPrompt[];
  /** Largest magnitude that is not clipped, relative to the largest observed one. */
  readonly headroom: number;
  /** Maximum number of tokens generated after each prompt. */
  readonly maxTokens: number;
  /** Receives the number of finished runs; a measuring prompt runs twice. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal: AbortSignal;
}

/** Longest sequence; it bounds the fp32 KV cache. */
const MAX_POSITIONS = 16_384;
/** Memory for the kept logits. */
const KEPT_LOGIT_BYTES = 256 * 2 ** 20;

/**
 * @throws PackageError; RuntimeError when the package cannot run; Error when a prompt cannot be rendered. The package is
 *   unchanged then.
 */
export async function quantizeKv(options: QuantizeKvOptions): Promise<Int8KvReport> {
  const { packageDir, prompts, signal } = options;
  const { manifest } = await readPackage(packageDir);
  const formatter = await createChatFormatter({ packageDir, manifest });
  try {
    const written = await writePrompts(prompts, { formatter, manifest, signal });
    const reader = readerOf(manifest, formatter.tokenizer);
    return await new Quantization(options, manifest, reader).run(written);
  } finally {
    await formatter.close();
  }
}

class Quantization {
  readonly #options: QuantizeKvOptions;
  readonly #manifest: Manifest;
  readonly #reader: ReplayReader;
  #numPlayed = 0;

  constructor(options: QuantizeKvOptions, manifest: Manifest, reader: ReplayReader) {
    this.#options = options;
    this.#manifest = manifest;
    this.#reader = reader;
  }

  async run(prompts: readonly WrittenPrompt[]): Promise<Int8KvReport> {
    const calibrating = prompts.filter((_, index) => index % 2 === 0);
    const measuring = prompts.filter((_, index) => index % 2 === 1);
    if (measuring.length === 0) {
      throw new Error(`At least 2 prompts are needed, got ${prompts.length}.`);
    }
    const total = calibrating.length + 2 * measuring.length;
    const { scales, clipping, recordings } = await this.#withRunner(
      this.#manifest,
      'fp32',
      async (runner) => {
        const found = await this.#calibrate(runner, calibrating, total);
        return {
          scales: found,
          ...(await this.#record(runner, measuring, { scales: found, total })),
        };
      },
    );
    const { packageDir, headroom } = this.#options;
    const { text, name } = this.#manifest;
    const graphs = await this.#graphs(scales);
    const { distances, pairs } = await this.#measure(graphs, { measuring, recordings, total });
    const files = await writeInt8Kv(packageDir, graphs);
    return {
      name,
      files,
      headroom,
      numCalibrated: calibrating.length,
      numMeasured: measuring.length,
      logits: distances.result(),
      decisions: decisionShifts(pairs),
      layers: clipping.result(),
      memory: cacheMemory(text),
    };
  }

  /** @returns scales for the keys and values of the prompts and of the text generated after them */
  async #calibrate(
    runner: PackageRunner,
    prompts: readonly WrittenPrompt[],
    total: number,
  ): Promise<KvScales[]> {
    const { text } = this.#manifest;
    const ranges = new KvRanges(text);
    const player = this.#player(runner);
    for (const { prompt } of prompts) {
      await record(player, prompt, this.#recordOptions(0));
      ranges.observe(
        await cacheContents(runner.cache, REPLAY_SLOT, text.numLayers),
        player.numTokens,
      );
      this.#played(total);
    }
    return ranges.scales(this.#options.headroom);
  }

  async #record(
    runner: PackageRunner,
    prompts: readonly WrittenPrompt[],
    { scales, total }: { scales: readonly KvScales[]; total: number },
  ): Promise<{ clipping: Clipping; recordings: readonly Recording[] }> {
    const { text } = this.#manifest;
    const clipping = new Clipping(text, scales);
    const player = this.#player(runner);
    const rows = Math.floor(KEPT_LOGIT_BYTES / (4 * text.vocabSize));
    const keptLogits = Math.max(1, Math.floor(rows / prompts.length));
    const recordings: Recording[] = [];
    for (const { prompt } of prompts) {
      recordings.push(await record(player, prompt, this.#recordOptions(keptLogits)));
      const contents = await cacheContents(runner.cache, REPLAY_SLOT, text.numLayers);
      clipping.observe(contents, player.numTokens);
      this.#played(total);
    }
    return { clipping, recordings };
  }

  async #graphs(scales: readonly KvScales[]): Promise<Int8KvGraphs> {
    const { text, graphs, prefill } = this.#manifest;
    const quantized = async (file: string): Promise<Uint8Array> =>
      int8KvDecoder(await readFile(join(this.#options.packageDir, file)), scales, text);
    return {
      decoder: await quantized(graphs.decoder),
      prefill: prefill === undefined ? null : await quantized(prefill.decoder),
    };
  }

  /** Replays the recordings with the new graphs, which are temporarily next to their weights. */
  async #measure(
    { decoder, prefill }: Int8KvGraphs,
    {
      measuring,
      recordings,
      total,
    }: {
      readonly measuring: readonly WrittenPrompt[];
      readonly recordings: readonly Recording[];
      readonly total: number;
    },
  ): Promise<{ distances: LogitDistances; pairs: readonly DecisionPair[] }> {
    const distances = new LogitDistances();
    const pairs: DecisionPair[] = [];
    const id = randomUUID();
    const int8Kv = { decoder: `.decoder.kv8-${id}.onnx`, prefill: `.prefill.kv8-${id}.onnx` };
    const pathOf = (file: string): string => join(this.#options.packageDir, file);
    try {
      await writeFile(pathOf(int8Kv.decoder), decoder, { flag: 'wx' });
      if (prefill !== null) await writeFile(pathOf(int8Kv.prefill), prefill, { flag: 'wx' });
      const used = prefill === null ? { decoder: int8Kv.decoder } : int8Kv;
      const manifest = { ...this.#manifest, int8Kv: used };
      await this.#withRunner(manifest, 'int8', async (runner) => {
        const player = this.#player(runner);
        for (const [index, recording] of recordings.entries()) {
          const { name = '' } = measuring[index] ?? {};
          const after = await replay(player, recording, { ...this.#reader, distances });
          const { pThink: before } = recording;
          if (before !== null && after !== null) pairs.push({ prompt: name, before, after });
          this.#played(total);
        }
      });
    } finally {
      for (const file of Object.values(int8Kv)) await rm(pathOf(file), { force: true });
    }
    return { distances, pairs };
  }

  async #withRunner<T>(
    manifest: Manifest,
    kvCache: 'fp32' | 'int8',
    work: (runner: PackageRunner) => Promise<T>,
  ): Promise<T> {
    const { packageDir, backend, numThreads } = this.#options;
    const slotCapacity = Math.min(manifest.text.maxPositions, MAX_POSITIONS);
    const place = { packageDir, manifest, backend, numThreads };
    const runner = await openModelRunner({ ...place, numSlots: 1, slotCapacity, kvCache });
    try {
      return await work(runner);
    } finally {
      await runner.dispose();
    }
  }

  #player(runner: PackageRunner): PromptPlayer {
    return new PromptPlayer(runner, this.#manifest.tokens.image, this.#options.signal);
  }

  #recordOptions(keptLogits: number): RecordOptions {
    const eos = new Set(this.#manifest.tokens.eos);
    return { ...this.#reader, eos, maxTokens: this.#options.maxTokens, keptLogits };
  }

  #played(total: number): void {
    this.#numPlayed += 1;
    this.#options.onProgress?.(this.#numPlayed, total);
  }
}
