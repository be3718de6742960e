import { DATA_TYPES } from '../../../onnx/model-proto.ts';
import {
  abortError,
  checkInputType,
  checkTensors,
  ELEMENT_TYPES,
  type ElementType,
  RuntimeError,
  type Session,
  type SessionOptions,
  type Tensor,
} from '../session.ts';
import { EXACT_U8S8_SETTING } from '../u8s8-saturation.ts';
import type { OrtApi, Pointer } from './ort-api.ts';
import { LOG_LEVEL_ERROR, OPTIMIZE_ALL } from './ort-functions.ts';
import { appendProvider, type Provider } from './providers.ts';
import { type MemoryInfos, TensorBindings } from './tensor-bindings.ts';

type Tensors = Readonly<Record<string, Tensor>>;

/** What all sessions of a provider share: the API, its environment, and the memory of their tensors. */
export interface OrtRuntime {
  readonly api: OrtApi;
  readonly environment: Pointer;
  readonly memory: MemoryInfos;
  readonly allocator: Pointer;
  /** null for the CPU. */
  readonly provider: Provider | null;
  /** Whether sessions need EXACT_U8S8_SETTING on this CPU. */
  readonly saturatesU8S8: boolean;
}

const SPIN_MICROSECONDS = 1000;

/**
 * Loads a graph without blocking the event loop.
 * @param model path of an .onnx file, or its bytes
 * @throws RuntimeError with the runtime's message
 */
export async function openFfiSession(
  runtime: OrtRuntime,
  model: string | Uint8Array,
  options: SessionOptions,
): Promise<FfiSession> {
  const { api, environment, provider, saturatesU8S8 } = runtime;
  const sessionOptions = api.out('CreateSessionOptions');
  try {
    api.call('SetSessionLogSeverityLevel', sessionOptions, LOG_LEVEL_ERROR);
    api.call('SetSessionGraphOptimizationLevel', sessionOptions, OPTIMIZE_ALL);
    api.call('SetIntraOpNumThreads', sessionOptions, options.numThreads);
    api.call('SetInterOpNumThreads', sessionOptions, 1);
    for (const [key, value] of threadEntries(options, provider)) {
      api.call('AddSessionConfigEntry', sessionOptions, key, value);
    }
    if (saturatesU8S8) api.call('AddSessionConfigEntry', sessionOptions, EXACT_U8S8_SETTING, '1');
    if (provider !== null) appendProvider(api, sessionOptions, provider);
    const session =
      typeof model === 'string'
        ? await api.outAsync('CreateSession', environment, model, sessionOptions)
        : await api.outAsync(
            'CreateSessionFromArray',
            environment,
            model,
            model.byteLength,
            sessionOptions,
          );
    return new FfiSession(runtime, session, options.keepBindings ?? false);
  } finally {
    api.do('ReleaseSessionOptions', sessionOptions);
  }
}

/**
 * Settings of the session's thread pool. Threads that spin while they wait make a decode step about a fifth shorter.
 * With one thread there is none that waits, and on a device the threads have little to do. ONNX Runtime lets threads
 * spin for up to 0.3 s after a run; the limit here is shorter, because another session may need the core.
 */
function threadEntries(
  { numThreads, restsBetweenRuns }: SessionOptions,
  provider: Provider | null,
): [string, string][] {
  return [
    ['session.intra_op.allow_spinning', numThreads > 1 && provider === null ? '1' : '0'],
    ['session.intra_op.spin_duration_us', String(SPIN_MICROSECONDS)],
    ['session.force_spinning_stop', restsBetweenRuns ? '1' : '0'],
  ];
}

export class FfiSession implements Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #inputTypes: readonly (ElementType | undefined)[];
  readonly #api: OrtApi;
  readonly #session: Pointer;
  readonly #binding: Pointer;
  readonly #runOptions: Pointer;
  readonly #inputs: TensorBindings;
  readonly #outputs: TensorBindings;
  readonly #keepBindings: boolean;
  #running: Promise<void> | undefined;
  #disposed = false;

  constructor(runtime: OrtRuntime, session: Pointer, keepBindings: boolean) {
    const { api, memory } = runtime;
    this.#api = api;
    this.#session = session;
    this.#keepBindings = keepBindings;
    this.inputNames = readNames(runtime, session, 'Input');
    this.#inputTypes = this.inputNames.map((_, index) => readInputType(api, session, index));
    this.outputNames = readNames(runtime, session, 'Output');
    this.#runOptions = api.out('CreateRunOptions');
    // ONNX Runtime logs an aborted run as an error; the caller knows of it already.
    api.call('RunOptionsSetRunLogSeverityLevel', this.#runOptions, LOG_LEVEL_ERROR + 1);
    this.#binding = api.out('CreateIoBinding', session);
    this.#inputs = new TensorBindings(api, this.#binding, memory, 'input');
    this.#outputs = new TensorBindings(api, this.#binding, memory, 'output');
  }

  inputType(name: string): ElementType {
    return checkInputType(name, this.#inputTypes[this.inputNames.indexOf(name)]);
  }

  async run(feeds: Tensors, fetches: Tensors, signal?: AbortSignal): Promise<void> {
    if (this.#disposed) throw new RuntimeError('The session is disposed.');
    if (this.#running !== undefined) {
      throw new RuntimeError('The session is running already; its runs must not overlap.');
    }
    checkTensors(this, feeds, fetches);
    if (signal?.aborted) throw abortError(signal);
    this.#inputs.set(feeds);
    this.#outputs.set(fetches);
    const terminate = (): void => this.#api.call('RunOptionsSetTerminate', this.#runOptions);
    signal?.addEventListener('abort', terminate, { once: true });
    this.#running = this.#api.callAsync(
      'RunWithBinding',
      this.#session,
      this.#runOptions,
      this.#binding,
    );
    try {
      await this.#running;
      if (signal?.aborted) throw abortError(signal);
    } catch (error) {
      throw signal?.aborted ? abortError(signal) : error;
    } finally {
      this.#running = undefined;
      signal?.removeEventListener('abort', terminate);
      if (!this.#disposed) {
        if (signal?.aborted) this.#api.call('RunOptionsUnsetTerminate', this.#runOptions);
        if (!this.#keepBindings) {
          this.#inputs.clear();
          this.#outputs.clear();
        }
      }
    }
  }

  /** Creates an allocator of the memory described. It lives as long as the session. */
  allocator(memory: Pointer): Pointer {
    return this.#api.out('CreateAllocator', this.#session, memory);
  }

  /** Ends a run in progress first, because it uses the native memory that is freed here. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#running !== undefined) {
      this.#api.call('RunOptionsSetTerminate', this.#runOptions);
      await Promise.allSettled([this.#running]);
    }
    this.#inputs.clear();
    this.#outputs.clear();
    this.#api.do('ReleaseIoBinding', this.#binding);
    this.#api.do('ReleaseRunOptions', this.#runOptions);
    this.#api.do('ReleaseSession', this.#session);
  }
}

function readNames(runtime: OrtRuntime, session: Pointer, kind: 'Input' | 'Output'): string[] {
  const { api, allocator } = runtime;
  const count = Number(api.out(`SessionGet${kind}Count`, session));
  return Array.from({ length: count }, (_, index) =>
    api.takeText(api.out(`SessionGet${kind}Name`, session, index, allocator), allocator),
  );
}

/** @returns undefined when the input is not a tensor, or not of an ElementType */
function readInputType(api: OrtApi, session: Pointer, index: number): ElementType | undefined {
  const info = api.out('SessionGetInputTypeInfo', session, index);
  try {
    const tensor = api.out('CastTypeInfoToTensorInfo', info);
    if (tensor === 0n) return undefined;
    const code = Number(api.out('GetTensorElementType', tensor));
    return ELEMENT_TYPES.find((type) => DATA_TYPES[type] === code);
  } finally {
    api.do('ReleaseTypeInfo', info);
  }
}
