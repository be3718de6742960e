import type { InferenceSession } from 'onnxruntime-node';
import {
  abortError,
  type Backend,
  checkInputType,
  checkTensors,
  type ElementType,
  isElementType,
  isOnDevice,
  modelName,
  RuntimeError,
  type Session,
  type SessionOptions,
  type Tensor,
  type TensorView,
} from './session.ts';
import { EXACT_U8S8_SETTING, u8s8Saturates } from './u8s8-saturation.ts';

type Ort = typeof import('onnxruntime-node');
type Tensors = Readonly<Record<string, Tensor>>;

const LOG_LEVEL_ERROR = 3;
const LOG_LEVEL_FATAL = 4;
/** A failed run throws its error. The runtime need not write it to standard error as well. */
const RUN_OPTIONS = { logSeverityLevel: LOG_LEVEL_FATAL } as const;

let shared: Promise<Backend> | undefined;

/**
 * The onnxruntime-node binding. A run blocks the thread, cannot be stopped half-way, and returns every output in new
 * memory, from which it is copied to where the caller wants it. There is one backend per process.
 * @throws RuntimeError when the package cannot be loaded
 */
export function openNodeBackend(): Promise<Backend> {
  shared ??= open();
  return shared;
}

async function open(): Promise<Backend> {
  const ort = await import('onnxruntime-node').catch((error: unknown) => {
    throw new RuntimeError(messageOf(error));
  });
  const saturates = await u8s8Saturates((model) => openSession(ort, model, { numThreads: 1 }, {}));
  const config = saturates ? { [EXACT_U8S8_SETTING]: '1' } : {};
  return {
    name: 'node',
    version: ort.env.versions.node ?? 'unknown',
    device: null,
    createSession: (model, options): Promise<Session> => openSession(ort, model, options, config),
  };
}

/** @param config session settings by name */
async function openSession(
  ort: Ort,
  model: string | Uint8Array,
  options: SessionOptions,
  config: Readonly<Record<string, string>>,
): Promise<Session> {
  try {
    const session = await createSession(ort, model, {
      executionProviders: ['cpu'],
      intraOpNumThreads: options.numThreads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      logSeverityLevel: LOG_LEVEL_ERROR,
      extra: config,
    });
    return new NodeSession(ort, session);
  } catch (error) {
    throw new RuntimeError(`${modelName(model)} cannot be loaded: ${messageOf(error)}`);
  }
}

function createSession(
  ort: Ort,
  model: string | Uint8Array,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  return typeof model === 'string'
    ? ort.InferenceSession.create(model, options)
    : ort.InferenceSession.create(model, options);
}

class NodeSession implements Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #ort: Ort;
  readonly #session: InferenceSession;
  #running = false;
  #disposed = false;

  constructor(ort: Ort, session: InferenceSession) {
    this.#ort = ort;
    this.#session = session;
    this.inputNames = session.inputNames;
    this.outputNames = session.outputNames;
  }

  inputType(name: string): ElementType {
    const input = this.#session.inputMetadata.find((candidate) => candidate.name === name);
    const type = input?.isTensor ? input.type : '';
    return checkInputType(name, isElementType(type) ? type : undefined);
  }

  async run(feeds: Tensors, fetches: Tensors, signal?: AbortSignal): Promise<void> {
    if (this.#disposed) throw new RuntimeError('The session is disposed.');
    if (this.#running) {
      throw new RuntimeError('The session is running already; its runs must not overlap.');
    }
    checkTensors(this, feeds, fetches);
    if (signal?.aborted) throw abortError(signal);
    this.#running = true;
    try {
      const outputs = await this.#session.run(this.#wrap(feeds), Object.keys(fetches), RUN_OPTIONS);
      if (!this.#disposed) copyOutputs(outputs, fetches);
    } catch (error) {
      throw error instanceof RuntimeError ? error : new RuntimeError(messageOf(error));
    } finally {
      this.#running = false;
    }
    if (signal?.aborted) throw abortError(signal);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#session.release();
  }

  #wrap(feeds: Tensors): InferenceSession.FeedsType {
    const entries = Object.entries(feeds).map(([name, tensor]) => {
      const data = dataOf(tensor);
      const wrapped = new this.#ort.Tensor(tensor.type, data, tensor.dims);
      // Where JavaScript has a Float16Array (Node 24), Tensor makes one, which the native binding reads as empty.
      if (wrapped.data !== data) Object.defineProperty(wrapped, 'data', { value: data });
      return [name, wrapped];
    });
    return Object.fromEntries(entries);
  }
}

function copyOutputs(outputs: InferenceSession.ReturnType, fetches: Tensors): void {
  for (const [name, target] of Object.entries(fetches)) {
    const output = outputs[name];
    if (output === undefined) throw new RuntimeError(`The run returned no output "${name}".`);
    if (output.type !== target.type || output.dims.join() !== target.dims.join()) {
      throw new RuntimeError(
        `Output "${name}" is ${output.type} [${output.dims.join(', ')}], ` +
          `expected ${target.type} [${target.dims.join(', ')}].`,
      );
    }
    const source: unknown = output.data;
    if (ArrayBuffer.isView(source)) asBytes(dataOf(target)).set(asBytes(source));
  }
}

function dataOf(tensor: Tensor): TensorView['data'] {
  if (!isOnDevice(tensor)) return tensor.data;
  throw new RuntimeError('The node backend cannot bind the memory of a device.');
}

function asBytes(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
