/**
 * Builds an ONNX graph node by node. Names follow onnxruntime-genai: nodes are `/model/layers.0/attn/q_proj/MatMul`,
 * their outputs `<node>/output_0`, and small constants are shared and named by their value.
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

  /** Declares a value that some node writes under this very name as an output of the graph. */
  output(name: string, type: DataType, dims: readonly (number | string)[]): void {
    this.#outputs.push({ name, type, dims });
  }

  /** A node with one output. @returns the output's name. */
  op(path: string, type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = `${path}/${type}/output_0`;
    this.node({ path, type, inputs, outputs: [output], attributes });
    return output;
  }

  /** A node whose outputs are named by the caller ('' for one that is not wanted). */
  node(node: GraphNode): void {
    const name = `${node.path}/${node.type}`;
    if (this.#nodes.has(name)) throw new Error(`Two nodes are named ${name}.`);
    const { type, inputs, outputs, attributes = {} } = node;
    const domain = MICROSOFT_OPS.has(type) ? 'com.microsoft' : '';
    this.#nodes.set(name, { name, type, domain, inputs, outputs, attributes });
  }

  /** Renames a value to a graph output's name. */
  identity(input: string, output: string): void {
    this.node({ path: `/${output}`, type: 'Identity', inputs: [input], outputs: [output] });
  }

  /** An initializer whose bytes lie in a data file beside the model. */
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

  /** The model file's bytes. Every weight must have been placed in its file by now. */
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
