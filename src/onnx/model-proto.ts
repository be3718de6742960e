/**
 * ONNX's messages as plain objects, and their encoding. Field numbers: onnx/onnx.proto, IR version 10.
 *
 * The encoding is written here because no maintained npm package does it: onnx-proto, the only one with ONNX's messages,
 * is generated for protobufjs 6 and ends at IR version 8. A protobuf library would save little. The converter keeps
 * weights out of the messages: it streams them to a file beside the graph (converter/weights/data-file.ts) and a tensor
 * names its stretch of that file, so a graph of any model fits in memory. What remains is the few messages below.
 */
import { ProtoWriter } from './protobuf.ts';

export const IR_VERSION = 10;
export const OPSETS = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
] as const;

/** TensorProto.DataType by name. ONNX Runtime's ONNXTensorElementDataType has the same numbers. */
export const DATA_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  float16: 10,
} as const;
export type DataType = keyof typeof DATA_TYPES;

export type AttributeValue =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

export interface NodeProto {
  readonly name: string;
  readonly type: string;
  readonly domain: string;
  /** An empty string stands for an omitted optional input or output. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Bytes of a tensor: in the model file itself, or a stretch of a file beside it (external data). */
export type TensorBytes =
  | { readonly raw: Uint8Array }
  | { readonly file: string; readonly offset: number; readonly bytes: number };

export interface TensorProto {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly data: TensorBytes;
}

/** A graph input or output. A dimension that is a name is known at run time only. */
export interface ValueInfo {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly (number | string)[];
}

export interface GraphProto {
  readonly name: string;
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

/** A node of the default ONNX domain with one output and no attributes. The node has its output's name. */
export function plainNode(type: string, inputs: readonly string[], output: string): NodeProto {
  return { name: output, type, domain: '', inputs, outputs: [output], attributes: {} };
}

/** Encodes a model file with IR_VERSION and OPSETS. */
export function encodeModel(graph: GraphProto, producer: string): Uint8Array {
  const model = new ProtoWriter().int(1, IR_VERSION).string(2, producer);
  model.message(7, encodeGraph(graph));
  for (const { domain, version } of OPSETS) {
    model.message(8, new ProtoWriter().string(1, domain).int(2, version));
  }
  return model.finish();
}

function encodeGraph(graph: GraphProto): ProtoWriter {
  const writer = new ProtoWriter();
  for (const node of graph.nodes) writer.message(1, encodeNode(node));
  writer.string(2, graph.name);
  for (const tensor of graph.initializers) writer.message(5, encodeTensor(tensor));
  for (const input of graph.inputs) writer.message(11, encodeValueInfo(input));
  for (const output of graph.outputs) writer.message(12, encodeValueInfo(output));
  return writer;
}

function encodeNode(node: NodeProto): ProtoWriter {
  const writer = new ProtoWriter();
  for (const input of node.inputs) writer.string(1, input);
  for (const output of node.outputs) writer.string(2, output);
  writer.string(3, node.name).string(4, node.type);
  for (const [name, value] of Object.entries(node.attributes)) {
    writer.message(5, encodeAttribute(name, value));
  }
  return writer.string(7, node.domain);
}

/** Encodes one attribute of a node. */
export function encodeAttribute(name: string, value: AttributeValue): ProtoWriter {
  const writer = new ProtoWriter().string(1, name);
  if ('float' in value) return writer.float(2, value.float).int(20, 1);
  if ('int' in value) return writer.int(3, value.int).int(20, 2);
  if ('string' in value) return writer.string(4, value.string).int(20, 3);
  for (const item of value.ints) writer.int(8, item);
  return writer.int(20, 7);
}

/** Encodes one initializer. */
export function encodeTensor(tensor: TensorProto): ProtoWriter {
  const writer = new ProtoWriter();
  for (const dim of tensor.dims) writer.int(1, dim);
  writer.int(2, DATA_TYPES[tensor.type]).string(8, tensor.name);
  if ('raw' in tensor.data) return writer.bytes(9, tensor.data.raw);
  const { file, offset, bytes } = tensor.data;
  const entries = { location: file, offset: String(offset), length: String(bytes) };
  for (const [key, value] of Object.entries(entries)) {
    writer.message(13, new ProtoWriter().string(1, key).string(2, value));
  }
  return writer.int(14, 1);
}

function encodeValueInfo(info: ValueInfo): ProtoWriter {
  const shape = new ProtoWriter();
  for (const dim of info.dims) {
    const writer = new ProtoWriter();
    shape.message(1, typeof dim === 'number' ? writer.int(1, dim) : writer.string(2, dim));
  }
  const tensor = new ProtoWriter().int(1, DATA_TYPES[info.type]).message(2, shape);
  return new ProtoWriter().string(1, info.name).message(2, new ProtoWriter().message(1, tensor));
}
