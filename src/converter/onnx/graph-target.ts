/**
 * Types of a graph on CPUs and on GPUs. On GPUs linears, attention and KV cache are float16.
 *
 * Why float16: CUDA's GroupQueryAttention has kernels for float16 and bfloat16 only, and with a long context every step
 * reads the whole cache. The scales of quantised weights have the activations' type.
 *
 * The residual stream and its norms are float32 by default. In a deep model the stream grows far beyond what one layer
 * adds. If it is float32, only the output of a linear, the product in the MLP or an update can overflow (`thinkgate
 * convert --report` measures them). The cost is a cast before and after attention and MLP, and more on WebGPU: ONNX
 * Runtime 1.30 fuses norm and linears there (MatMulNBitsQkv, MatMulNBitsMlp: 4 bits, blocks of 32) only if both are
 * float16, which reduces a layer from 16 operators to 5. On small random models both types are equally close to the
 * reference.
 *
 * GroupQueryAttention norms q and k itself on GPUs. So CPU and GPU cannot share one decoder graph: the CPU kernel rejects
 * the norm inputs, and CUDA's kernel rejects float32. They share the embedding graph, a lookup that returns float32. A
 * float32 package has no GPU graphs: WebGPU runs its CPU graph, and ONNX Runtime folds the separate norms into
 * GroupQueryAttention at load time.
 *
 * Source for the kernels: ONNX Runtime's docs/OperatorKernels.md (commit 001d12d2623f, between 1.24 and 1.30),
 * section CUDAExecutionProvider, opset 21: Add, Cast, Conv, Div, Gather, Gelu, Gemm, Identity, LayerNormalization, MatMul,
 * Mul, Reshape, Sigmoid, SimplifiedLayerNormalization, Sub, Transpose for float and float16; of com.microsoft
 * GatherBlockQuantized (uint8, scales float), GroupQueryAttention (float16 with a float16 cache), MatMulNBits (float16,
 * 4 and 8 bits), MultiHeadAttention (float16), SkipSimplifiedLayerNormalization (float, float16). GroupQueryAttention's inputs 14
 * and 15 came to CUDA with pull request 29186. Version 1.30 documents them for CUDA and WebGPU: they have the query's type
 * and shape [headDim], and need do_rotary and unpacked q, k and v.
 */
import type { StreamType } from '../../package/manifest.ts';

/** Types of values and operators on a device. */
export interface GraphTarget {
  /** Type of linears' inputs and outputs, of attention and of the KV cache. */
  readonly activations: 'float32' | 'float16';
  /** Type of the residual stream and its norms. */
  readonly stream: StreamType;
  /** `fused`: GroupQueryAttention norms q and k. The CPU kernel cannot. */
  readonly headNorms: 'separate' | 'fused';
}

export const CPU_TARGET: GraphTarget = {
  activations: 'float32',
  stream: 'float32',
  headNorms: 'separate',
};

/** @param stream type of the residual stream */
export const gpuTarget = (stream: StreamType): GraphTarget => ({
  activations: 'float16',
  headNorms: 'fused',
  stream,
});
