import type { KvCacheKind, Manifest } from '../package/manifest.ts';
import type { TokenTable } from '../package/token-table.ts';
import type { ReuseOptions } from './engine.ts';
import type { AddressedEvent } from './event-batch.ts';
import type { EngineCounts, GenerationRequest } from './generation.ts';
import type { ModelLimits } from './model-runner.ts';
import type { DeviceRequest } from './runtime/device-request.ts';
import type { ProtocolTokens } from './thinking/protocol-tokens.ts';

/** Settings of an engine process. */
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
  /** Slots that thinking sequences may hold while others wait. */
  readonly maxThinkingSeqs: number;
  /** Longest time that prefill may delay decoding sequences in one step, in milliseconds. */
  readonly stallMs: number;
  readonly speculates: boolean;
  /** Whether to use the package's prefill graph, if it has one. */
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
  /** Control tokens; they write no text. */
  readonly silentIds: readonly number[];
  readonly protocolTokens: ProtocolTokens;
}

/** Messages to the engine process. `load` comes first, once. A request leaves out tiles that the process already has. */
export type ToEngine =
  | LoadMessage
  | { readonly type: 'submit'; readonly request: GenerationRequest }
  | { readonly type: 'abort'; readonly id: string }
  | { readonly type: 'answer-now'; readonly id: string };

/** Messages from the engine process. All events of a step travel in one message, with the counts after the step. */
export type FromEngine =
  | {
      readonly type: 'ready';
      readonly limits: ModelLimits;
      readonly backend: string;
      /** Name of the device. */
      readonly device: string;
      /** Why `auto` did not choose a better device; null without a reason to report. */
      readonly deviceReason: string | null;
      readonly runtimeVersion: string;
      /** Why the primary backend is not in use; null when it is. */
      readonly fallbackReason: string | null;
    }
  | { readonly type: 'failed'; readonly message: string }
  | {
      readonly type: 'events';
      readonly events: readonly AddressedEvent[];
      readonly counts: EngineCounts;
      readonly residentBytes: number;
    };
