/**
 * The functions of ONNX Runtime's C API that the binding calls, by their index in `struct OrtApi`.
 *
 * The struct is append-only, so a released index never changes. The indices were counted in
 * include/onnxruntime/core/session/onnxruntime_c_api.h at ORT_API_VERSION 13 (onnxruntime 1.13). The binding asks the
 * library for this version; newer libraries serve it too.
 */
export const ORT_API_VERSION = 13;

/** C types of arguments. A `pointer` is an address, memory whose address is passed, or null; `texts` is a list of strings. */
export type NativeType = 'pointer' | 'text' | 'texts' | 'path' | 'int' | 'size';

/**
 * What a function returns. `status` is success or an error. `out` is a status too, and the function writes one pointer
 * or size_t through a last argument that `takes` omits. `text` is a string, and `void` is nothing.
 */
export type NativeKind = 'status' | 'out' | 'text' | 'void';

export interface NativeSignature {
  readonly index: number;
  readonly kind: NativeKind;
  readonly takes: readonly NativeType[];
}

export const ORT_FUNCTIONS = {
  GetErrorMessage: { index: 2, kind: 'text', takes: ['pointer'] },
  ReleaseStatus: { index: 93, kind: 'void', takes: ['pointer'] },

  CreateEnv: { index: 3, kind: 'out', takes: ['int', 'text'] },

  CreateSessionOptions: { index: 10, kind: 'out', takes: [] },
  SetSessionLogSeverityLevel: { index: 22, kind: 'status', takes: ['pointer', 'int'] },
  SetSessionGraphOptimizationLevel: { index: 23, kind: 'status', takes: ['pointer', 'int'] },
  SetIntraOpNumThreads: { index: 24, kind: 'status', takes: ['pointer', 'int'] },
  SetInterOpNumThreads: { index: 25, kind: 'status', takes: ['pointer', 'int'] },
  AddSessionConfigEntry: { index: 130, kind: 'status', takes: ['pointer', 'text', 'text'] },
  ReleaseSessionOptions: { index: 100, kind: 'void', takes: ['pointer'] },

  SessionOptionsAppendExecutionProvider: {
    index: 216,
    kind: 'status',
    takes: ['pointer', 'text', 'texts', 'texts', 'size'],
  },
  SessionOptionsAppendExecutionProvider_CUDA_V2: {
    index: 204,
    kind: 'status',
    takes: ['pointer', 'pointer'],
  },
  CreateCUDAProviderOptions: { index: 205, kind: 'out', takes: [] },
  UpdateCUDAProviderOptions: {
    index: 206,
    kind: 'status',
    takes: ['pointer', 'texts', 'texts', 'size'],
  },
  ReleaseCUDAProviderOptions: { index: 208, kind: 'void', takes: ['pointer'] },

  CreateSession: { index: 7, kind: 'out', takes: ['pointer', 'path', 'pointer'] },
  CreateSessionFromArray: {
    index: 8,
    kind: 'out',
    takes: ['pointer', 'pointer', 'size', 'pointer'],
  },
  SessionGetInputCount: { index: 30, kind: 'out', takes: ['pointer'] },
  SessionGetOutputCount: { index: 31, kind: 'out', takes: ['pointer'] },
  SessionGetInputName: { index: 36, kind: 'out', takes: ['pointer', 'size', 'pointer'] },
  SessionGetOutputName: { index: 37, kind: 'out', takes: ['pointer', 'size', 'pointer'] },
  SessionGetInputTypeInfo: { index: 33, kind: 'out', takes: ['pointer', 'size'] },
  CastTypeInfoToTensorInfo: { index: 55, kind: 'out', takes: ['pointer'] },
  GetTensorElementType: { index: 60, kind: 'out', takes: ['pointer'] },
  ReleaseTypeInfo: { index: 98, kind: 'void', takes: ['pointer'] },
  ReleaseSession: { index: 95, kind: 'void', takes: ['pointer'] },

  CreateRunOptions: { index: 39, kind: 'out', takes: [] },
  RunOptionsSetRunLogSeverityLevel: { index: 41, kind: 'status', takes: ['pointer', 'int'] },
  RunOptionsSetTerminate: { index: 46, kind: 'status', takes: ['pointer'] },
  RunOptionsUnsetTerminate: { index: 47, kind: 'status', takes: ['pointer'] },
  ReleaseRunOptions: { index: 97, kind: 'void', takes: ['pointer'] },

  GetAllocatorWithDefaultOptions: { index: 78, kind: 'out', takes: [] },
  CreateAllocator: { index: 131, kind: 'out', takes: ['pointer', 'pointer'] },
  AllocatorAlloc: { index: 75, kind: 'out', takes: ['pointer', 'size'] },
  AllocatorFree: { index: 76, kind: 'status', takes: ['pointer', 'pointer'] },
  CreateCpuMemoryInfo: { index: 69, kind: 'out', takes: ['int', 'int'] },
  CreateMemoryInfo: { index: 68, kind: 'out', takes: ['text', 'int', 'int', 'int'] },
  CreateTensorWithDataAsOrtValue: {
    index: 49,
    kind: 'out',
    takes: ['pointer', 'pointer', 'size', 'pointer', 'size', 'int'],
  },
  ReleaseValue: { index: 96, kind: 'void', takes: ['pointer'] },

  CreateIoBinding: { index: 134, kind: 'out', takes: ['pointer'] },
  BindInput: { index: 136, kind: 'status', takes: ['pointer', 'text', 'pointer'] },
  BindOutput: { index: 137, kind: 'status', takes: ['pointer', 'text', 'pointer'] },
  ClearBoundInputs: { index: 141, kind: 'void', takes: ['pointer'] },
  ClearBoundOutputs: { index: 142, kind: 'void', takes: ['pointer'] },
  RunWithBinding: { index: 133, kind: 'status', takes: ['pointer', 'pointer', 'pointer'] },
  ReleaseIoBinding: { index: 135, kind: 'void', takes: ['pointer'] },
} as const satisfies Record<string, NativeSignature>;

export type OrtFunction = keyof typeof ORT_FUNCTIONS;
export type OrtFunctionOf<Kind extends NativeKind> = {
  [Name in OrtFunction]: (typeof ORT_FUNCTIONS)[Name]['kind'] extends Kind ? Name : never;
}[OrtFunction];

/** Values of the C API's enums. */
export const LOG_LEVEL_ERROR = 3;
export const OPTIMIZE_ALL = 99;
export const DEVICE_ALLOCATOR = 0;
export const ARENA_ALLOCATOR = 1;
export const MEMORY_DEFAULT = 0;
