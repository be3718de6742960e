import type { KvCacheKind, Manifest } from '../package/manifest.ts';
import type { TokenTable } from '../package/token-table.ts';
import type { ReuseOptions } from './engine.ts';
import type { AddressedEvent } from './event-batch.ts';
import type { EngineCounts, GenerationRequest } from './generation.ts';
import type { ModelLimits } from './model-runner.ts';
import type { DeviceRequest } from './runtime/device-request.ts';
import type { ProtocolTokens } from './thinking/protocol-tokens.ts';

/** How the engine process runs a model. */
export interface EngineSettings {
  readonly backend: 'auto' | 'ffi' | 'node';
  readonly device: DeviceRequest;
  readonly numThreads: number;
  readonly numSlots: number;
  /** Positions per slot. */
  readonly slotCapacity: number;
  /** Most prompt tokens prefilled in one step. */
  readonly prefillChunk: number;
  /** Most tiles encoded in one step. */
  readonly tilesPerStep: number;
  /** Slots that thinkers may hold while others wait. */
  readonly maxThinkingSeqs: number;
  /** Longest that prompts hold up running streams in one step, in milliseconds. */
  readonly stallMs: number;
  readonly speculates: boolean;
  /** Whether a package's decoder for prompts is used. */
  readonly prefillGraph: boolean;
  readonly kvCache: KvCacheKind;
  readonly reuse: ReuseOptions;
}

export interface LoadMessage {
  readonly type: 'load';
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly settings: EngineSettings;
  readonly tokenTable: TokenTable;
  /** Control tokens, which write no text. */
  readonly silentIds: readonly number[];
  readonly protocolTokens: ProtocolTokens;
}

/** Server process to engine process. `load` comes first, once. Tiles that the process has are left out of a request. */
export type ToEngine =
  | LoadMessage
  | { readonly type: 'submit'; readonly request: GenerationRequest }
  | { readonly type: 'abort'; readonly id: string }
  | { readonly type: 'answer-now'; readonly id: string };

/** Engine process to server process. All events of a step travel together, with the counts after it. */
export type FromEngine =
  | {
      readonly type: 'ready';
      readonly limits: ModelLimits;
      readonly backend: string;
      /** What computes, in words. */
      readonly device: string;
      /** What became of better devices that `auto` looked for; null where there is nothing to tell. */
      readonly deviceReason: string | null;
      readonly runtimeVersion: string;
      /** Why the primary backend is not the one in use; null when it is. */
      readonly fallbackReason: string | null;
    }
  | { readonly type: 'failed'; readonly message: string }
  | {
      readonly type: 'events';
      readonly events: readonly AddressedEvent[];
      readonly counts: EngineCounts;
      readonly residentBytes: number;
    };
