import { readFile } from 'node:fs/promises';
import { type ProtoField, readFields, textsOf } from '../../../src/onnx/protobuf.ts';

/** A run reads a few rows of these tables, whatever their size. */
const LOOKED_UP = /cos|sin/;

/** Field numbers of onnx/onnx.proto. */
const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const TENSOR = { name: 8, externalData: 13 } as const;
const ENTRY = { key: 1, value: 2 } as const;

/**
 * Bytes of the weights that a graph reads in every run: the initializers in files beside it, each stretch of a file
 * once, without the tables of rotary embedding.
 */
export async function weightBytes(graphFile: string): Promise<number> {
  const stretches = new Map<string, number>();
  const graphs = messagesOf(readFields(await readFile(graphFile)), MODEL_GRAPH);
  const tensors = graphs.flatMap((graph) => messagesOf(graph, GRAPH_INITIALIZER));
  for (const tensor of tensors) {
    const [name = ''] = textsOf(tensor, TENSOR.name);
    if (LOOKED_UP.test(name)) continue;
    const place = new Map(
      messagesOf(tensor, TENSOR.externalData).map((entry) => [
        textsOf(entry, ENTRY.key)[0],
        textsOf(entry, ENTRY.value)[0],
      ]),
    );
    const length = place.get('length');
    if (length === undefined) continue;
    stretches.set(`${place.get('location')} ${place.get('offset')}`, Number(length));
  }
  return [...stretches.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function messagesOf(fields: readonly ProtoField[], number: number): ProtoField[][] {
  return fields
    .filter((field) => field.number === number)
    .map(({ content }) => readFields(content));
}
