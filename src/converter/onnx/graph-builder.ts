/**
 * Builds an ONNX graph node by node.
 *
 * Why the converter builds graphs itself: the exporters of PyTorch, optimum and onnxruntime-genai are Python programs,
 * and they load the whole model before they trace or quantise it. Here a graph follows from the config alone, weights
 * stream from the checkpoint into the data file, the graph has exactly the operators that ONNX Runtime's kernels fuse
 * best, and the same checkpoint gives the same bytes. src/onnx/ says why the protobuf encoding is also ours.
 *
 * Names follow onnxruntime-genai: a node is `/model/layers.0/attn/q_proj/MatMul`, its output `<node>/output_0`. Small
 * constants are shared and named by their value.
 */

import {
  type AttributeValue,
  type DataType,
  encodeModel,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfo,
} from '../../onnx/model-proto.ts';
import type { StoredTensor } from '../weights/data-file.ts';

const MICROSOFT_OPS: ReadonlySet<string> = new Set([
  'GatherBlockQuantized',
  'GroupQueryAttention',
  'MatMulIntegerToFloat',
  'MatMulNBits',
  'MultiHeadAttention',
  'SkipSimplifiedLayerNormalization',
]);

type Attributes = Readonly<Record<string, AttributeValue>>;

export interface GraphNode {
  readonly path: string;
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Attributes;
}

export class GraphBuilder {
  readonly #name: string;
  readonly #nodes = new Map<string, NodeProto>();
  readonly #constants = new Map<string, TensorProto>();
  readonly #weights = new Map<
    string,
    { type: DataType; dims: readonly number[]; at: StoredTensor }
  >();
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, type: DataType, dims: readonly (number | string)[]): string {
    this.#inputs.push({ name, type, dims });
    return name;
  }

  /** Declares an output of the graph; a node must write a value of this name. */
  output(name: string, type: DataType, dims: readonly (number | string)[]): void {
    this.#outputs.push({ name, type, dims });
  }

  /** Adds a node with one output. @returns the output's name */
  op(path: string, type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = `${path}/${type}/output_0`;
    this.node({ path, type, inputs, outputs: [output], attributes });
    return output;
  }

  /** Adds a node whose outputs the caller names; '' leaves an output out. */
  node(node: GraphNode): void {
    const name = `${node.path}/${node.type}`;
    if (this.#nodes.has(name)) throw new Error(`Two nodes are named ${name}.`);
    const { type, inputs, outputs, attributes = {} } = node;
    const domain = MICROSOFT_OPS.has(type) ? 'com.microsoft' : '';
    this.#nodes.set(name, { name, type, domain, inputs, outputs, attributes });
  }

  /** Gives a value the name of a graph output. */
  identity(input: string, output: string): void {
    this.node({ path: `/${output}`, type: 'Identity', inputs: [input], outputs: [output] });
  }

  /** Adds an initializer whose bytes are in a data file next to the model. @returns its name */
  weight(name: string, type: DataType, dims: readonly number[], at: StoredTensor): string {
    this.#weights.set(name, { type, dims, at });
    return name;
  }

  /** An int64 constant; `dims` defaults to one dimension. */
  int64s(values: readonly number[], dims: readonly number[] = [values.length]): string {
    const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#constant('int64', dims, values, raw);
  }

  /** A float32 constant; `dims` defaults to one dimension. */
  float32s(values: readonly number[], dims: readonly number[] = [values.length]): string {
    const raw = new Uint8Array(Float32Array.from(values).buffer);
    return this.#constant('float32', dims, values, raw);
  }

  /** A uint8 constant; `dims` defaults to one dimension. */
  uint8s(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant('uint8', dims, values, Uint8Array.from(values));
  }

  /** @returns the bytes of the model file */
  encode(producer: string): Uint8Array {
    const weights = [...this.#weights].map(([name, { type, dims, at }]): TensorProto => {
      return { name, type, dims, data: { file: at.file, offset: at.offset, bytes: at.bytes } };
    });
    const graph: GraphProto = {
      name: this.#name,
      nodes: [...this.#nodes.values()],
      initializers: [...this.#constants.values(), ...weights],
      inputs: this.#inputs,
      outputs: this.#outputs,
    };
    return encodeModel(graph, producer);
  }

  #constant(
    type: DataType,
    dims: readonly number[],
    values: readonly number[],
    raw: Uint8Array,
  ): string {
    const shape = dims.length === 0 ? 'scalar' : dims.join('x');
    const name = `/constants/${type}/${shape}/[${values.join(',')}]`;
    this.#constants.set(name, { name, type, dims, data: { raw } });
    return name;
  }
}
