/** Operators that the graphs share: linears in every precision, norms and casts. */

import { DATA_TYPES } from '../../onnx/model-proto.ts';
import type { Precision } from '../../package/manifest.ts';
import type { Bits } from '../quantization/block-quantizer.ts';
import type { Int8Linears } from '../quantization/int8-linears.ts';
import type { WeightStore } from '../weights/weight-store.ts';
import type { GraphBuilder } from './graph-builder.ts';
import type { GraphTarget } from './graph-target.ts';

/**
 * MatMulNBits' accuracy level 4: kernels may quantise the activations to int8, which is much faster on CPUs. GPU graphs
 * do not set it. There memory bandwidth is the limit, and WebGPU's kernels would quantise too (CUDA's would not): it
 * changes the logits seven times as much as float16 alone.
 */
const ACCURACY_INT8 = 4;

export interface GraphContext {
  readonly graph: GraphBuilder;
  readonly weights: WeightStore;
  /** Precision of the graph's linears. */
  readonly form: Precision;
  readonly target: GraphTarget;
  /** Computes the linears if given, except the head. */
  readonly int8?: Int8Linears | undefined;
}

export interface LinearOptions {
  readonly path: string;
  readonly input: string;
  /** Canonical name of the weight [out, in]. */
  readonly weight: string;
  readonly bias?: string | undefined;
}

/** `input · weightᵀ + bias` over the last dimension, in the target's activations. @returns [..., out] */
export function linear(
  context: GraphContext,
  { path, input, weight, bias }: LinearOptions,
): string {
  const product = matMul(context, { path, input, weight });
  if (bias === undefined) return product;
  return context.graph.op(path, 'Add', [product, activationVector(context, bias)]);
}

function matMul(context: GraphContext, { path, input, weight }: LinearOptions): string {
  const { graph, weights, form, int8 } = context;
  if (int8 !== undefined) return int8.matMul({ path, input, weight });
  const { rows, columns } = weights.matrix(weight);
  const name = `${weight}.transposed`;
  switch (form) {
    case 'fp32': {
      const at = weights.transposedFloat32(weight);
      return graph.op(path, 'MatMul', [input, graph.weight(name, 'float32', [columns, rows], at)]);
    }
    case 'fp16': {
      const at = weights.float16(weight, { transposed: true });
      const half = graph.weight(name, 'float16', [columns, rows], at);
      return graph.op(path, 'MatMul', [input, activationTable(context, path, half)]);
    }
    case 'int8':
      return matMulBits(context, { path, input, weight }, 8);
    case 'int4':
      return matMulBits(context, { path, input, weight }, 4);
  }
}

/** The head. Its weight is not transposed, so a tied embedding shares the bytes. `input` is [n, in]. */
export function headLinear(context: GraphContext, { path, input, weight }: LinearOptions): string {
  const { graph, weights, form } = context;
  const transB = { transB: { int: 1 } };
  switch (form) {
    case 'fp32': {
      const table = graph.weight(weight, 'float32', weights.shape(weight), weights.float32(weight));
      return graph.op(path, 'Gemm', [input, table], transB);
    }
    case 'fp16': {
      const at = weights.float16(weight, { transposed: false });
      const half = graph.weight(weight, 'float16', weights.shape(weight), at);
      return graph.op(path, 'Gemm', [input, activationTable(context, path, half)], transB);
    }
    case 'int8':
      return matMulBits(context, { path, input, weight }, 8);
    case 'int4':
      return matMulBits(context, { path, input, weight }, 4);
  }
}

/** A half-precision table for the target's MatMul and Gemm; widened if they compute in float32. */
function activationTable({ graph, target }: GraphContext, path: string, half: string): string {
  return target.activations === 'float16' ? half : castToFloat(graph, path, half);
}

function matMulBits(
  { graph, weights, target }: GraphContext,
  { path, input, weight }: LinearOptions,
  bits: Bits,
): string {
  const { rows, columns } = weights.matrix(weight);
  const blocks = Math.ceil(columns / weights.blockSize);
  const { values, scales } = weights.quantized(weight, bits);
  const shape = [rows, blocks, (weights.blockSize * bits) / 8];
  const packed = graph.weight(`${weight}.int${bits}`, 'uint8', shape, values);
  const { activations } = target;
  const at = activations === 'float16' ? weights.float16Scales(weight, bits) : scales;
  const scale = graph.weight(`${weight}.scales`, activations, [rows, blocks], at);
  return graph.op(path, 'MatMulNBits', [input, packed, scale], {
    K: { int: columns },
    N: { int: rows },
    bits: { int: bits },
    block_size: { int: weights.blockSize },
    ...(activations === 'float32' ? { accuracy_level: { int: ACCURACY_INT8 } } : {}),
  });
}

/** A tensor as a float32 initializer. */
export function vector({ graph, weights }: GraphContext, name: string): string {
  return graph.weight(name, 'float32', weights.shape(name), weights.float32(name));
}

/** A vector in the type of the target's activations. */
export function activationVector(context: GraphContext, name: string): string {
  return vectorOf(context, name, context.target.activations);
}

/** A vector in the type of the target's residual stream. */
export function streamVector(context: GraphContext, name: string): string {
  return vectorOf(context, name, context.target.stream);
}

function vectorOf(context: GraphContext, name: string, type: 'float32' | 'float16'): string {
  if (type === 'float32') return vector(context, name);
  const { graph, weights } = context;
  const at = weights.float16(name, { transposed: false });
  return graph.weight(name, type, weights.shape(name), at);
}

/** Casts a float32 value to the type of the residual stream. */
export function toStream({ graph, target }: GraphContext, path: string, value: string): string {
  return target.stream === 'float32' ? value : castToHalf(graph, `${path}/to_stream`, value);
}

/** Casts a value of the stream to the type of the activations, before a linear. */
export function narrow({ graph, target }: GraphContext, path: string, value: string): string {
  if (target.activations === target.stream) return value;
  return castToHalf(graph, `${path}/narrow`, value);
}

/** Casts the output of a linear to the type of the stream. */
export function widen({ graph, target }: GraphContext, path: string, value: string): string {
  if (target.activations === target.stream) return value;
  return castToFloat(graph, `${path}/widen`, value);
}

/** Casts a value of `type` to float32, for an output of the graph. */
export function toFloat(
  { graph }: GraphContext,
  path: string,
  value: string,
  type: 'float32' | 'float16',
): string {
  return type === 'float32' ? value : castToFloat(graph, `${path}/float`, value);
}

function castToHalf(graph: GraphBuilder, path: string, value: string): string {
  return graph.op(path, 'Cast', [value], { to: { int: DATA_TYPES.float16 } });
}

/** Casts a value to float32. */
export function castToFloat(graph: GraphBuilder, path: string, value: string): string {
  return graph.op(path, 'Cast', [value], { to: { int: DATA_TYPES.float32 } });
}

/** RMSNorm over the last dimension. `scale` has the input's type. */
export function rmsNorm(
  { graph }: GraphContext,
  { path, input, scale, eps }: { path: string; input: string; scale: string; eps: number },
): string {
  return graph.op(path, 'SimplifiedLayerNormalization', [input, scale], {
    axis: { int: -1 },
    epsilon: { float: eps },
    stash_type: { int: 1 },
  });
}

/** LayerNorm with weight and bias over the last dimension. */
export function layerNorm(
  context: GraphContext,
  { path, input, norm, eps }: { path: string; input: string; norm: string; eps: number },
): string {
  const scale = streamVector(context, `${norm}.weight`);
  const inputs = [input, scale, streamVector(context, `${norm}.bias`)];
  return context.graph.op(path, 'LayerNormalization', inputs, {
    axis: { int: -1 },
    epsilon: { float: eps },
  });
}
