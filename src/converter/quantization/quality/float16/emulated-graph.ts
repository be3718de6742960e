/**
 * Emulates a GPU's float16 graph on a CPU. ONNX Runtime's CPU provider computes float16 operators in float32 and does not
 * round between two of them, so this graph computes in float32 and rounds explicitly.
 *
 * With `float16` arithmetic, every value that is float16 on the GPU passes through a Cast to float16 and back: ties round
 * to even, and values above 65504 become infinite. Sums within an operator are float32, as in kernels that accumulate in
 * float32. The emulation does not cover rounding inside a kernel: attention scores and rotated queries and keys are not
 * rounded, and kernels that accumulate in float16 (WebGPU's MatMul and MatMulNBits) lose more. With `float32` arithmetic
 * the weights are the same, the values are not rounded, and the graph measures their largest magnitudes.
 */

import { DATA_TYPES, type DataType } from '../../../../onnx/model-proto.ts';
import { GraphBuilder, type GraphNode } from '../../../onnx/graph-builder.ts';
import type { StoredTensor } from '../../../weights/data-file.ts';

export type Arithmetic = 'float16' | 'float32';

/** Output of `measured`, float32 [number of values]. */
export const LARGEST_OUTPUT = 'largest_values';

/** Operators that only change the shape of a value. */
const RESHAPING: ReadonlySet<string> = new Set(['Identity', 'Reshape']);

export class EmulatedGraph extends GraphBuilder {
  readonly #arithmetic: Arithmetic;
  /** Names of values that are float16 on the GPU. */
  readonly #halves = new Set<string>();
  /** Name of each measured value, and of its largest magnitude. */
  readonly #measured = new Map<string, string>();

  constructor(name: string, arithmetic: Arithmetic) {
    super(name);
    this.#arithmetic = arithmetic;
  }

  override input(name: string, type: DataType, dims: readonly (number | string)[]): string {
    if (type === 'float16') this.#halves.add(name);
    return super.input(name, widened(type), dims);
  }

  override output(name: string, type: DataType, dims: readonly (number | string)[]): void {
    super.output(name, widened(type), dims);
  }

  override weight(name: string, type: DataType, dims: readonly number[], at: StoredTensor): string {
    super.weight(name, type, dims, at);
    if (type !== 'float16') return name;
    const wide = `${name}.wide`;
    this.#cast(name, wide, 'float32');
    this.#halves.add(wide);
    return wide;
  }

  override node(node: GraphNode): void {
    const [input = ''] = node.inputs;
    const [output = ''] = node.outputs;
    if (isCastTo(node, 'float16')) {
      this.#settle(input, output);
    } else if (isCastTo(node, 'float32') && this.#halves.has(input)) {
      super.node({ ...node, type: 'Identity', attributes: {} });
    } else if (node.inputs.some((name) => this.#halves.has(name))) {
      this.#computed(node);
    } else {
      super.node(node);
    }
  }

  /**
   * Adds the output with the largest magnitudes to the complete graph.
   * @returns the names of the values, in the output's order; empty with `float16` arithmetic, which has no such output
   */
  measured(): readonly string[] {
    if (this.#measured.size === 0) return [];
    super.node({
      path: '/largest',
      type: 'Concat',
      inputs: [...this.#measured.values()],
      outputs: [LARGEST_OUTPUT],
      attributes: { axis: { int: 0 } },
    });
    super.output(LARGEST_OUTPUT, 'float32', [this.#measured.size]);
    return [...this.#measured.keys()];
  }

  /** Adds an operator on float16 values that computes in float32; its outputs are rounded as on the GPU. */
  #computed(node: GraphNode): void {
    const raw = node.outputs.map((name) => (name === '' ? '' : `${name}/raw`));
    super.node({ ...node, outputs: raw });
    for (const [index, name] of node.outputs.entries()) {
      if (name !== '') this.#settle(raw[index] ?? '', name, !RESHAPING.has(node.type));
    }
  }

  #settle(raw: string, name: string, isNew = true): void {
    this.#halves.add(name);
    if (this.#arithmetic === 'float16') {
      this.#cast(raw, `${name}/fp16`, 'float16');
      this.#cast(`${name}/fp16`, name, 'float32');
      return;
    }
    super.node({ path: name, type: 'Identity', inputs: [raw], outputs: [name] });
    if (isNew) this.#measure(raw, name);
  }

  #measure(raw: string, name: string): void {
    const at = (type: string): string => `${name}/largest/${type}`;
    const steps: readonly (readonly [type: string, inputs: readonly string[]])[] = [
      ['Abs', [raw]],
      ['Reshape', [at('Abs'), this.int64s([-1])]],
      ['ReduceMax', [at('Reshape'), this.int64s([0])]],
    ];
    for (const [type, inputs] of steps) {
      super.node({ path: `${name}/largest`, type, inputs, outputs: [at(type)] });
    }
    this.#measured.set(name, at('ReduceMax'));
  }

  #cast(input: string, output: string, type: 'float16' | 'float32'): void {
    const attributes = { to: { int: DATA_TYPES[type] } };
    super.node({ path: output, type: 'Cast', inputs: [input], outputs: [output], attributes });
  }
}

function widened(type: DataType): DataType {
  return type === 'float16' ? 'float32' : type;
}

function isCastTo({ type, attributes }: GraphNode, wanted: DataType): boolean {
  const to = attributes?.['to'];
  return type === 'Cast' && to !== undefined && 'int' in to && to.int === DATA_TYPES[wanted];
}
