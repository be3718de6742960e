import { Engine, type ReuseOptions } from '../../src/engine/engine.ts';
import type { FinishEvent, GenerationRequest } from '../../src/engine/generation.ts';
import type { ModelRunner } from '../../src/engine/model-runner.ts';
import { openModelRunner } from '../../src/engine/runtime/onnx-model-runner.ts';
import type { Manifest } from '../../src/package/manifest.ts';
import { PROTOCOL, PROTOCOL_TOKENS } from './byte-tokens.ts';
import { noConstraint, requestOf } from './engine-bench.ts';
import { openTestBackend, type TestBackend } from './test-backends.ts';

export interface RuntimeEngineOptions {
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly backend?: TestBackend;
  readonly numSlots: number;
  readonly slotCapacity: number;
  readonly prefillChunk?: number;
  readonly numThreads?: number;
  readonly speculates?: boolean;
  /** Monotonic milliseconds; the process' own clock unless given. */
  readonly now?: () => number;
  readonly reuse?: Partial<ReuseOptions>;
  /** Called after every step with events. */
  readonly onStep?: () => void;
}

export interface Outcome {
  readonly tokenIds: readonly number[];
  readonly finish: FinishEvent;
}

/** Counts of the model's work. */
export interface Work {
  numTiles: number;
  numPrefilled: number;
  numCopies: number;
}

/** The engine over real ONNX Runtime, without a process around it. Every token's text is one letter. */
export class RuntimeEngine {
  readonly engine: Engine;
  readonly runner: ModelRunner;
  readonly work: Work = { numTiles: 0, numPrefilled: 0, numCopies: 0 };
  /** Abort signals of all prefills. */
  readonly signals = new Set<AbortSignal>();
  readonly #running = new Map<string, { tokenIds: number[]; resolve: (end: Outcome) => void }>();

  static async open(options: RuntimeEngineOptions): Promise<RuntimeEngine> {
    const { packageDir, manifest, numSlots, slotCapacity, numThreads = 1 } = options;
    const backend = await openTestBackend(options.backend);
    return new RuntimeEngine(
      await openModelRunner({ packageDir, manifest, backend, numThreads, numSlots, slotCapacity }),
      options,
    );
  }

  private constructor(runner: ModelRunner, options: RuntimeEngineOptions) {
    this.runner = this.#watch(runner);
    const letter = Uint8Array.of(97);
    this.engine = new Engine({
      runner: this.runner,
      protocol: PROTOCOL,
      tokens: PROTOCOL_TOKENS,
      tokenBytes: () => letter,
      eos: new Set(),
      imageTokenId: options.manifest.tokens.image,
      limits: {
        prefillChunk: options.prefillChunk ?? 256,
        tilesPerStep: 1,
        maxThinkingSeqs: options.numSlots,
        stallMs: 1e9,
      },
      reuse: { prefixes: true, featureBytes: 2 ** 24, ...options.reuse },
      openConstraint: noConstraint,
      speculates: options.speculates ?? false,
      now: options.now ?? (() => performance.now()),
      emit: (events) => {
        for (const { id, event } of events) {
          const entry = this.#running.get(id);
          if (event.type === 'token') entry?.tokenIds.push(event.tokenId);
          if (event.type !== 'finish') continue;
          this.#running.delete(id);
          entry?.resolve({ tokenIds: entry.tokenIds, finish: event });
        }
        options.onStep?.();
      },
    });
  }

  /** Ids of unfinished requests. */
  get running(): readonly string[] {
    return [...this.#running.keys()];
  }

  run(request: GenerationRequest): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#running.set(request.id, { tokenIds: [], resolve });
      this.engine.submit(request);
    });
  }

  #watch(runner: ModelRunner): ModelRunner {
    const { work } = this;
    return {
      limits: runner.limits,
      encodeTiles: (image, first, count, signal) => {
        work.numTiles += count;
        return runner.encodeTiles(image, first, count, signal);
      },
      packFeatures: (image, features) => runner.packFeatures(image, features),
      prefill: (chunk, signal) => {
        work.numPrefilled += chunk.tokenIds.length;
        if (signal !== undefined) this.signals.add(signal);
        return runner.prefill(chunk, signal);
      },
      decode: (rows) => runner.decode(rows),
      verify: (draft) => runner.verify(draft),
      copyPrefix: (copy) => {
        work.numCopies += 1;
        return runner.copyPrefix(copy);
      },
      swapSlots: (one, other) => runner.swapSlots(one, other),
      dispose: () => runner.dispose(),
    };
  }
}

/** A greedy request for an answer without thinking: the model alone chooses the tokens. */
export function answerRequest(
  promptTokenIds: ArrayLike<number>,
  parts: Parameters<typeof requestOf>[1] = {},
): GenerationRequest {
  const request = requestOf(Array.from(promptTokenIds), parts);
  return { ...request, thinking: { ...request.thinking, start: 'answer-start' } };
}
