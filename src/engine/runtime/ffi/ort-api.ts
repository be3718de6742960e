import koffi, { type LibraryHandle } from 'koffi';
import { RuntimeError } from '../session.ts';
import {
  type NativeKind,
  type NativeType,
  ORT_API_VERSION,
  ORT_FUNCTIONS,
  type OrtFunction,
  type OrtFunctionOf,
} from './ort-functions.ts';

/** An address in native memory. */
export type Pointer = bigint;

interface JsTypes {
  pointer: Pointer | ArrayBufferView | null;
  text: string;
  texts: readonly string[];
  path: string;
  int: number;
  size: number;
}

type ArgumentsOf<Types extends readonly NativeType[]> = {
  [Index in keyof Types]: JsTypes[Types[Index]];
};
type Arguments<Name extends OrtFunction> = ArgumentsOf<(typeof ORT_FUNCTIONS)[Name]['takes']>;
type NativeArgument = JsTypes[NativeType];
type Callback = (error: Error | null, result: unknown) => void;

interface NativeFunction {
  (...args: NativeArgument[]): unknown;
  async(...args: (NativeArgument | Callback)[]): void;
}

const KOFFI_TYPES: Record<NativeType, string> = {
  pointer: 'void *',
  text: 'str',
  texts: 'str *',
  path: process.platform === 'win32' ? 'str16' : 'str',
  int: 'int',
  size: 'size_t',
};
const KOFFI_RESULTS: Record<NativeKind, string> = {
  status: 'void *',
  out: 'void *',
  text: 'str',
  void: 'void',
};
const POINTER_BYTES = 8;
/**
 * koffi calls native code on a stack of its own. Its default for calls off the main thread is 128 KiB; ONNX Runtime's
 * graph passes and kernels may need as much as the usual 8 MiB of a thread.
 */
const ASYNC_STACK_BYTES = 8 * 1024 * 1024;

/**
 * Libraries in use, for the life of the process. koffi unloads a library when its handle is garbage collected, and
 * functions that are read from a table of addresses do not keep the handle alive.
 */
const libraries = new Map<string, LibraryHandle>();

/**
 * Calls ONNX Runtime's C API: the functions of ORT_FUNCTIONS with typed arguments. An error status becomes a
 * RuntimeError. The caller keeps the memory that it passes alive and in place as long as ONNX Runtime may use it.
 */
export class OrtApi {
  /** Version string of the library. */
  readonly version: string;
  readonly #functions: Record<OrtFunction, NativeFunction>;
  readonly #out = new BigUint64Array(new ArrayBuffer(POINTER_BYTES));

  /** @throws when the library cannot be loaded or does not serve ORT_API_VERSION */
  constructor(libraryPath: string) {
    if ((koffi.config().async_stack_size ?? 0) < ASYNC_STACK_BYTES) {
      koffi.config({ async_stack_size: ASYNC_STACK_BYTES });
    }
    const library = libraries.get(libraryPath) ?? koffi.load(libraryPath);
    libraries.set(libraryPath, library);
    const base: Pointer = library.func('OrtGetApiBase', 'void *', [])();
    const getApi = koffi.decode(
      koffi.decode(base, 0, 'void *'),
      koffi.proto('void *', ['uint32_t']),
    );
    const getVersion = koffi.decode(
      koffi.decode(base, POINTER_BYTES, 'void *'),
      koffi.proto('str', []),
    );
    this.version = getVersion();
    const table: Pointer | null = getApi(ORT_API_VERSION);
    if (table === null) {
      throw new RuntimeError(
        `ONNX Runtime ${this.version} does not serve version ${ORT_API_VERSION} of its C API.`,
      );
    }
    this.#functions = readFunctions(table);
  }

  /** Calls a function that returns a status only. */
  call<Name extends OrtFunctionOf<'status'>>(name: Name, ...args: Arguments<Name>): void {
    this.#check(this.#functions[name](...args));
  }

  /** Calls a function that creates or reads one value, and returns the value. */
  out<Name extends OrtFunctionOf<'out'>>(name: Name, ...args: Arguments<Name>): Pointer {
    // Some functions write fewer than 8 bytes.
    this.#out[0] = 0n;
    this.#check(this.#functions[name](...args, this.#out));
    return this.#out[0]!;
  }

  /** Like `call`, without blocking the event loop. */
  async callAsync<Name extends OrtFunctionOf<'status'>>(
    name: Name,
    ...args: Arguments<Name>
  ): Promise<void> {
    this.#check(await this.#runAsync(name, args));
  }

  /** Like `out`, without blocking the event loop. */
  async outAsync<Name extends OrtFunctionOf<'out'>>(
    name: Name,
    ...args: Arguments<Name>
  ): Promise<Pointer> {
    const out = new BigUint64Array(new ArrayBuffer(POINTER_BYTES));
    this.#check(await this.#runAsync(name, [...args, out]));
    return out[0]!;
  }

  /** Calls a function without a result, such as Release* and Clear*. */
  do<Name extends OrtFunctionOf<'void'>>(name: Name, ...args: Arguments<Name>): void {
    this.#functions[name](...args);
  }

  /** Reads a string that ONNX Runtime allocated, and frees it. */
  takeText(text: Pointer, allocator: Pointer): string {
    const value = koffi.decode.string(text);
    this.call('AllocatorFree', allocator, text);
    return value;
  }

  #runAsync(name: OrtFunction, args: readonly NativeArgument[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      // The closure keeps `args`, and so the memory whose addresses were passed, until the call is over.
      this.#functions[name].async(...args, (error, result) => {
        if (error) reject(error);
        else resolve(result);
        return args;
      });
    });
  }

  #check(status: unknown): void {
    if (typeof status !== 'bigint') return;
    const message = String(this.#functions.GetErrorMessage(status));
    this.#functions.ReleaseStatus(status);
    throw new RuntimeError(message);
  }
}

function readFunctions(table: Pointer): Record<OrtFunction, NativeFunction> {
  const entries = Object.entries(ORT_FUNCTIONS).map(([name, { index, kind, takes }]) => {
    const types = takes.map((type) => KOFFI_TYPES[type]);
    if (kind === 'out') types.push('void *');
    const address: Pointer = koffi.decode(table, index * POINTER_BYTES, 'void *');
    return [name, koffi.decode(address, koffi.proto(KOFFI_RESULTS[kind], types))];
  });
  return Object.fromEntries(entries);
}
