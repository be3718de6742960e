/**
 * Turns a decoder graph into one with an int8 KV cache: the same nodes and weight files, but every GroupQueryAttention
 * quantises the keys and values that it writes.
 *
 * Quantisation is symmetric and per channel and head; the scales are constants of the graph. ONNX Runtime's CPU kernel
 * stores round(x / scale), clipped to −128 … 127, and attends to the stored values, including those of the current step.
 */

import {
  DATA_TYPES,
  encodeAttribute,
  encodeTensor,
  type TensorProto,
} from '../../onnx/model-proto.ts';
import {
  LENGTH_DELIMITED,
  type ProtoField,
  ProtoWriter,
  readFields,
  textsOf,
} from '../../onnx/protobuf.ts';
import { DECODER_IO } from '../../package/graph-io.ts';
import type { TextShape } from '../../package/manifest.ts';
import { ConvertError } from '../convert-error.ts';

/** Scales of one layer, float32 [numKvHeads, headDim] each. */
export interface KvScales {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

type CacheShape = Pick<TextShape, 'numLayers' | 'numKvHeads' | 'headDim'>;

/** Field numbers of onnx/onnx.proto. */
const MODEL_GRAPH = 7;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 } as const;
const NODE = { input: 1, type: 4, attribute: 5 } as const;
const INFO = { name: 1, type: 2 } as const;
const TENSOR_TYPE = 1;
const ELEMENT_TYPE = 1;

/** Indices of GroupQueryAttention's inputs. */
const PAST_KEY = 3;
const KEY_SCALE = 12;

const QUANTIZED = {
  k_quant_type: { string: 'PER_CHANNEL' },
  v_quant_type: { string: 'PER_CHANNEL' },
  kv_cache_bit_width: { int: 8 },
} as const;

/**
 * @param decoder the bytes of a model file with a float32 KV cache
 * @param layers scales of every decoder layer
 * @throws ConvertError when this converter did not write the graph
 */
export function int8KvDecoder(
  decoder: Uint8Array,
  layers: readonly KvScales[],
  shape: CacheShape,
): Uint8Array {
  checkScales(layers, shape);
  const edit = new GraphEdit(layers, shape);
  const model = rewrite(decoder, (field) =>
    field.number === MODEL_GRAPH ? edit.graph(field.content) : undefined,
  );
  edit.checkComplete();
  return model.finish();
}

class GraphEdit {
  readonly #layers: readonly KvScales[];
  readonly #shape: CacheShape;
  /** Names of the cache tensors. */
  readonly #caches: ReadonlySet<string>;
  readonly #layerOf: ReadonlyMap<string, number>;
  readonly #done = new Set<number>();

  constructor(layers: readonly KvScales[], shape: CacheShape) {
    this.#layers = layers;
    this.#shape = shape;
    const { pastKey, pastValue, presentKey, presentValue } = DECODER_IO;
    const indices = [...layers.keys()];
    const names = [pastKey, pastValue, presentKey, presentValue];
    this.#caches = new Set(indices.flatMap((layer) => names.map((name) => name(layer))));
    this.#layerOf = new Map(indices.map((layer) => [pastKey(layer), layer]));
  }

  graph(content: Uint8Array): ProtoWriter {
    const graph = rewrite(content, ({ number, content: inner }) => {
      if (number === GRAPH.node) return this.#node(inner);
      if (number === GRAPH.input || number === GRAPH.output) return this.#info(inner);
      return undefined;
    });
    for (const layer of this.#done) {
      for (const tensor of this.#scales(layer)) {
        graph.message(GRAPH.initializer, encodeTensor(tensor));
      }
    }
    return graph;
  }

  /** @throws ConvertError when the attention of a layer was not found */
  checkComplete(): void {
    const missing = [...this.#layers.keys()].filter((layer) => !this.#done.has(layer));
    if (missing.length === 0) return;
    throw new ConvertError(
      `The decoder graph has no GroupQueryAttention over ${missing.map(DECODER_IO.pastKey).join(', ')}.`,
    );
  }

  #node(content: Uint8Array): ProtoWriter | undefined {
    const fields = readFields(content);
    if (textsOf(fields, NODE.type)[0] !== 'GroupQueryAttention') return undefined;
    const inputs = textsOf(fields, NODE.input);
    const layer = this.#layerOf.get(inputs[PAST_KEY] ?? '');
    if (layer === undefined) return undefined;
    if (inputs.length > KEY_SCALE) {
      throw new ConvertError(
        `The attention of layer ${layer} has ${inputs.length} inputs; one with a float32 cache has at most ${KEY_SCALE}.`,
      );
    }
    this.#done.add(layer);
    const node = new ProtoWriter();
    const before = [...inputs, ...Array<string>(KEY_SCALE - inputs.length).fill('')];
    for (const name of [...before, ...scaleNames(layer)]) node.string(NODE.input, name);
    for (const field of fields) if (field.number !== NODE.input) node.field(field);
    for (const [name, value] of Object.entries(QUANTIZED)) {
      node.message(NODE.attribute, encodeAttribute(name, value));
    }
    return node;
  }

  #info(content: Uint8Array): ProtoWriter | undefined {
    const [name = ''] = textsOf(readFields(content), INFO.name);
    if (!this.#caches.has(name)) return undefined;
    return rewrite(content, (type) =>
      type.number === INFO.type
        ? rewrite(type.content, (tensor) =>
            tensor.number === TENSOR_TYPE ? asInt8(tensor.content) : undefined,
          )
        : undefined,
    );
  }

  #scales(layer: number): TensorProto[] {
    const { key, value } = this.#layers[layer]!;
    const [keyName, valueName] = scaleNames(layer);
    const dims = [this.#shape.numKvHeads, 1, this.#shape.headDim];
    const tensor = (name: string, scales: Float32Array): TensorProto => {
      const raw = new Uint8Array(scales.slice().buffer);
      return { name, type: 'float32', dims, data: { raw } };
    };
    return [tensor(keyName, key), tensor(valueName, value)];
  }
}

/** Copies a message field by field; `change` may replace a nested message. */
function rewrite(
  bytes: Uint8Array,
  change: (field: ProtoField) => ProtoWriter | undefined,
): ProtoWriter {
  const writer = new ProtoWriter();
  for (const field of readFields(bytes)) {
    const changed = field.wireType === LENGTH_DELIMITED ? change(field) : undefined;
    if (changed === undefined) writer.field(field);
    else writer.message(field.number, changed);
  }
  return writer;
}

function asInt8(tensorType: Uint8Array): ProtoWriter {
  const writer = new ProtoWriter().int(ELEMENT_TYPE, DATA_TYPES.int8);
  for (const field of readFields(tensorType)) {
    if (field.number !== ELEMENT_TYPE) writer.field(field);
  }
  return writer;
}

function scaleNames(layer: number): [key: string, value: string] {
  return [`key_scale.${layer}`, `value_scale.${layer}`];
}

function checkScales(layers: readonly KvScales[], shape: CacheShape): void {
  const width = shape.numKvHeads * shape.headDim;
  const fits = ({ key, value }: KvScales): boolean =>
    [key, value].every(
      (scales) => scales.length === width && scales.every((scale) => scale > 0 && scale < Infinity),
    );
  if (layers.length === shape.numLayers && layers.every(fits)) return;
  throw new Error(
    `A cache of ${shape.numLayers} layers needs ${width} positive scales for the keys and values of each.`,
  );
}
