import assert from 'node:assert/strict';
import { Engine, type ReuseOptions } from '../../src/engine/engine.ts';
import type {
  EngineCounts,
  FinishEvent,
  GenerationEvent,
  GenerationRequest,
  TokenEvent,
} from '../../src/engine/generation.ts';
import type { TiledImage } from '../../src/engine/model-runner.ts';
import type { ProtocolTokens } from '../../src/engine/thinking/protocol-tokens.ts';
import type { Section } from '../../src/engine/thinking/section-parser.ts';
import type { OpenConstraint } from '../../src/engine/token-constraint.ts';
import type { Protocol } from '../../src/package/protocol.ts';
import { EOS, IMAGE, PROTOCOL, PROTOCOL_TOKENS, tokenBytes, VOCAB_SIZE } from './byte-tokens.ts';
import { type RunnerCall, type Script, ScriptedRunner } from './scripted-runner.ts';

export interface BenchOptions {
  readonly numSlots?: number;
  readonly slotCapacity?: number;
  readonly prefillChunk?: number;
  readonly tilesPerStep?: number;
  readonly maxThinkingSeqs?: number;
  readonly speculates?: boolean;
  readonly stallMs?: number;
  /** Monotonic milliseconds; one more with every look at it unless given. */
  readonly now?: () => number;
  readonly reuse?: ReuseOptions;
  readonly tokens?: ProtocolTokens;
  readonly protocol?: Protocol;
  /** Another vocabulary than that of `byte-tokens`; the same end of turn. */
  readonly vocabulary?: {
    readonly size: number;
    readonly tokenBytes: (tokenId: number) => Uint8Array;
  };
  readonly onCall?: (call: RunnerCall, index: number) => Promise<void> | void;
  /** Without one, no request may have a grammar. */
  readonly openConstraint?: OpenConstraint;
  readonly onEmit?: (ids: readonly string[]) => void;
}

/** What one request gives and gets. The first prompt token is the key of its script. */
export interface Job {
  readonly script: Script;
  readonly request: GenerationRequest;
}

const HIDDEN_SIZE = 4;

/** An engine over a scripted runner, with the rules of the event stream checked on every event. */
export class EngineBench {
  readonly runner: ScriptedRunner;
  readonly engine: Engine;
  readonly protocol: Protocol;
  readonly events = new Map<string, GenerationEvent[]>();
  readonly #waiting = new Map<string, (finish: FinishEvent) => void>();
  readonly #preempts: boolean;
  #time = 0;

  constructor(options: BenchOptions = {}) {
    this.protocol = options.protocol ?? PROTOCOL;
    this.#preempts = (options.maxThinkingSeqs ?? Infinity) < (options.numSlots ?? 4);
    const { numSlots = 4, slotCapacity = 256, prefillChunk = 8, tilesPerStep = 2 } = options;
    this.runner = new ScriptedRunner({
      limits: {
        vocabSize: options.vocabulary?.size ?? VOCAB_SIZE,
        hiddenSize: HIDDEN_SIZE,
        numSlots,
        slotCapacity,
        kvCacheType: 'float32',
      },
      imageTokenId: IMAGE,
      speculates: options.speculates ?? false,
      ...(options.onCall === undefined ? {} : { onCall: options.onCall }),
    });
    this.engine = new Engine({
      runner: this.runner,
      protocol: this.protocol,
      tokens: options.tokens ?? PROTOCOL_TOKENS,
      tokenBytes: options.vocabulary?.tokenBytes ?? tokenBytes,
      eos: new Set([EOS]),
      imageTokenId: IMAGE,
      limits: {
        prefillChunk,
        tilesPerStep,
        maxThinkingSeqs: options.maxThinkingSeqs ?? numSlots,
        stallMs: options.stallMs ?? 1e9,
      },
      reuse: options.reuse ?? { prefixes: true, featureBytes: 2 ** 20 },
      openConstraint: options.openConstraint ?? noConstraint,
      speculates: options.speculates ?? false,
      now: options.now ?? (() => this.#time++),
      emit: (addressed) => {
        options.onEmit?.(addressed.map(({ id }) => id));
        for (const { id, event } of addressed) this.#receive(id, event);
      },
    });
  }

  /** Submits a request. @returns its finish event, once it comes. */
  submit({ request, script }: Job): Promise<FinishEvent> {
    const key = request.promptTokenIds[0] ?? -1;
    // A sequence that may be preempted loses its slot before it ends.
    const isFinished = (): boolean => this.#preempts || this.isFinished(request.id);
    const { length: promptLength } = request.promptTokenIds;
    this.runner.add(key, { script, images: request.images, promptLength, isFinished });
    this.events.set(request.id, []);
    const finished = new Promise<FinishEvent>((resolve) => this.#waiting.set(request.id, resolve));
    this.engine.submit(request);
    return finished;
  }

  isFinished(id: string): boolean {
    return this.of(id).at(-1)?.type === 'finish';
  }

  of(id: string): readonly GenerationEvent[] {
    return this.events.get(id) ?? [];
  }

  tokens(id: string): TokenEvent[] {
    return this.of(id).filter((event) => event.type === 'token');
  }

  text(id: string, section: Section): string {
    return this.of(id)
      .flatMap((event) => (event.type === 'decision' ? [] : event.pieces))
      .filter((piece) => piece.section === section)
      .map((piece) => piece.text)
      .join('');
  }

  #receive(id: string, event: GenerationEvent): void {
    const events = this.events.get(id);
    assert.ok(events, `event for the unknown request ${id}`);
    assert.notEqual(events.at(-1)?.type, 'finish', `${id}: ${event.type} after the finish`);
    const decided = events.some(({ type }) => type === 'decision');
    if (event.type === 'decision') assert.ok(!decided, `${id} was decided twice`);
    else if (event.type === 'token') assert.ok(decided, `${id} has a token before its decision`);
    events.push(event);
    if (event.type === 'finish') this.#waiting.get(id)?.(event);
  }
}

/** For engines whose requests have no grammar. */
export function noConstraint(): never {
  throw new Error('This engine opens no constraints.');
}

/** What of the engine is in use at the moment. */
export function occupancy(
  engine: Engine,
): Pick<EngineCounts, 'numRunning' | 'numWaiting' | 'kvCacheUsage'> {
  const { numRunning, numWaiting, kvCacheUsage } = engine.counts();
  return { numRunning, numWaiting, kvCacheUsage };
}

/** A request that leaves everything to the model, greedily. */
export function requestOf(
  promptTokenIds: readonly number[],
  parts: Partial<Omit<GenerationRequest, 'promptTokenIds'>> = {},
): GenerationRequest {
  return {
    id: `request ${promptTokenIds[0]}`,
    group: `request ${promptTokenIds[0]}`,
    isStreamed: true,
    promptTokenIds: Int32Array.from(promptTokenIds),
    images: [],
    sampling: {
      temperature: 0,
      topP: 1,
      topK: 0,
      minP: 0,
      repetitionPenalty: 1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      logitBias: new Map(),
      seed: 0,
    },
    maxTokens: 100,
    stop: [],
    stopTokenIds: [],
    minTokens: 0,
    priority: 0,
    timeoutMs: null,
    grammar: null,
    topLogprobs: null,
    thinking: {
      requested: 'auto',
      source: 'policy',
      start: 'block-start',
      budget: null,
      answerFloor: 0,
    },
    ...parts,
  };
}

/** A prompt of `length` tokens that begins with a script's key. */
export function promptOf(key: number, length: number): number[] {
  return [key, ...Array.from({ length: length - 1 }, (_, i) => 97 + (i % 26))];
}

/** The model writes these tokens and ends its turn; forced tokens in between take a place of their own. */
export function writes(ids: readonly number[]): Script {
  return (generated) => ids[generated.length] ?? EOS;
}

/** An image of `numTiles` tiles; `name` is one character and tells images apart. */
export function imageOf(name: string, numTiles: number, numTokens: number): TiledImage {
  return {
    hash: name,
    tiles: new Uint8Array(numTiles),
    numTiles,
    gridRows: 1,
    gridColumns: numTiles - 1,
    originalHeight: 10,
    originalWidth: 10,
    numTokens,
  };
}
