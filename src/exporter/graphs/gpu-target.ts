/**
 * The form of a graph that GPUs run well: float16 linears, attention and KV cache, float32 for the rest.
 *
 * Why float16 at all: CUDA's GroupQueryAttention has kernels for float16 and bfloat16 only, and the cache is what a long
 * context reads at every step. Why not all of it: the residual stream of a deep model grows far beyond what a single
 * layer adds, so it, its norms and the logits stay float32. A value can then only overflow inside a linear's output,
 * the product in the MLP, or an update on its way back to the stream; `thinkgate convert --report` measures these. The
 * price is two casts in and out of attention and MLP each. Quantised weights take scales of the activations' type.
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
 * 4 and 8 bits), MultiHeadAttention (float16), SkipSimplifiedLayerNormalization (float). GroupQueryAttention's inputs 14
 * and 15 came to CUDA with pull request 29186; version 1.30 says of itself that CUDA and WebGPU have them, wants them of
 * the query's type, [headDim], and only together with do_rotary and unpacked q, k and v.
 */
import type { GraphTarget } from './graph-context.ts';

export const GPU_TARGET: GraphTarget = { activations: 'float16', headNorms: 'fused' };
