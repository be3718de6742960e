/**
 * int8 linears of the prefill graph: per-channel symmetric int8 weights, activations quantised dynamically per token,
 * integer GEMM (U8S8).
 *
 * Each token's row is divided by its largest magnitude. So an outlier in one token does not reduce the precision of
 * another, and a row's result depends on that row alone: a prompt gives the same bits for every chunk size. ONNX
 * Runtime's DynamicQuantizeMatMul cannot be used, because it has one scale for all rows.
 */
import type { GraphBuilder } from '../onnx/graph-builder.ts';
import type { WeightStore } from '../weights/weight-store.ts';

/** Zero point of the uint8 activations, which are in −1 … 1 before. The GEMM multiplies unsigned by signed. */
const ZERO_POINT = 128;
const STEP = 1 / 127;
/** Lower bound of a row's magnitude, against division by zero; far below any activation. */
const LEAST = 1e-12;

interface QuantizedInput {
  /** uint8 [..., in] */
  readonly values: string;
  /** float32 [..., 1]: the divisor of each row. */
  readonly magnitudes: string;
}

/** Adds int8 linears to one graph. */
export class Int8Linears {
  readonly #graph: GraphBuilder;
  readonly #weights: WeightStore;
  /** By name; linears with the same input share its quantised form. */
  readonly #inputs = new Map<string, QuantizedInput>();

  constructor(graph: GraphBuilder, weights: WeightStore) {
    this.#graph = graph;
    this.#weights = weights;
  }

  /** `input · weightᵀ` over the last dimension. @returns [..., out] */
  matMul({ path, input, weight }: { path: string; input: string; weight: string }): string {
    const graph = this.#graph;
    const { rows, columns } = this.#weights.matrix(weight);
    const stored = this.#weights.int8Columns(weight);
    const { values, magnitudes } = this.#quantized(input);
    const product = graph.op(path, 'MatMulIntegerToFloat', [
      values,
      graph.weight(`${weight}.int8`, 'int8', [columns, rows], stored.values),
      graph.float32s([STEP], []),
      graph.weight(`${weight}.scales`, 'float32', [rows], stored.scales),
      graph.uint8s([ZERO_POINT], []),
    ]);
    return graph.op(`${path}/scaled`, 'Mul', [product, magnitudes]);
  }

  #quantized(input: string): QuantizedInput {
    const known = this.#inputs.get(input);
    if (known !== undefined) return known;
    const graph = this.#graph;
    const path = `${input}/quantized`;
    const absolute = graph.op(path, 'Abs', [input]);
    const largest = graph.op(path, 'ReduceMax', [absolute, graph.int64s([-1])], {
      keepdims: { int: 1 },
    });
    const magnitudes = graph.op(path, 'Max', [largest, graph.float32s([LEAST], [])]);
    const unit = graph.op(path, 'Div', [input, magnitudes]);
    const values = graph.op(path, 'QuantizeLinear', [
      unit,
      graph.float32s([STEP], []),
      graph.uint8s([ZERO_POINT], []),
    ]);
    const quantized = { values, magnitudes };
    this.#inputs.set(input, quantized);
    return quantized;
  }
}
