/**
 * The form of a graph that GPUs run well: float16 linears, attention and KV cache.
 *
 * Why float16 at all: CUDA's GroupQueryAttention has kernels for float16 and bfloat16 only, and the cache is what a long
 * context reads at every step. Quantised weights take scales of the activations' type.
 *
 * The residual stream and its norms are float32 unless asked for in float16. The stream of a deep model grows far beyond
 * what a single layer adds; with it in float32 a value can only overflow inside a linear's output, the product in the
 * MLP, or an update on its way back to the stream (`thinkgate convert --report` measures all of them). The price is a
 * cast in and out of attention and MLP each, and on WebGPU more: ONNX Runtime 1.30 fuses norm and linears there
 * (MatMulNBitsQkv, MatMulNBitsMlp: 4 bits in blocks of 32) only where both are float16, which leaves 5 operators of a
 * layer's 16. On small random models both kinds of stream come equally near to a plain forward.
 *
 * GroupQueryAttention norms q and k itself. One graph for CPU and GPU is therefore not possible: the CPU kernel refuses
 * those inputs, and CUDA's kernel refuses the CPU graph's float32. The embedding's graph, a look-up that ends in
 * float32, serves both. A float32 package needs no second decoder: on WebGPU its CPU graph runs as it is, and ONNX
 * Runtime folds the separate norms into GroupQueryAttention when it loads it.
 *
 * Kernels were looked up in ONNX Runtime's docs/OperatorKernels.md (commit 001d12d2623f, between 1.24 and 1.30),
 * section CUDAExecutionProvider, opset 21: Add, Cast, Conv, Div, Gather, Gelu, Gemm, Identity, LayerNormalization, MatMul,
 * Mul, Reshape, Sigmoid, SimplifiedLayerNormalization, Sub, Transpose for float and float16; of com.microsoft
 * GatherBlockQuantized (uint8, scales float), GroupQueryAttention (float16 with a float16 cache), MatMulNBits (float16,
 * 4 and 8 bits), MultiHeadAttention (float16), SkipSimplifiedLayerNormalization (float, float16). GroupQueryAttention's inputs 14
 * and 15 came to CUDA with pull request 29186; version 1.30 says of itself that CUDA and WebGPU have them, wants them of
 * the query's type, [headDim], and only together with do_rotary and unpacked q, k and v.
 */
import type { StreamType } from '../../package/manifest.ts';

/** Types of values and operators, as the device's kernels want them. See gpu-target.ts for the reasons. */
export interface GraphTarget {
  /** Of the linears' inputs and outputs, of attention and of the KV cache. */
  readonly activations: 'float32' | 'float16';
  /** Of the residual stream and its norms. */
  readonly stream: StreamType;
  /** Whether GroupQueryAttention norms q and k itself; CPU kernels refuse that. */
  readonly headNorms: 'separate' | 'fused';
}

export const CPU_TARGET: GraphTarget = {
  activations: 'float32',
  stream: 'float32',
  headNorms: 'separate',
};

export const gpuTarget = (stream: StreamType): GraphTarget => ({
  activations: 'float16',
  headNorms: 'fused',
  stream,
});
