import { readFile } from 'node:fs/promises';

/** Read a few rows at a time, whatever their size. */
const LOOKED_UP = /cos|sin/;

/**
 * Bytes of the weights that a graph reads in every run: those of its initializers that lie in files beside it, the
 * tables of rotary embedding apart. Field numbers: onnx/onnx.proto.
 */
export async function weightBytes(graphFile: string): Promise<number> {
  const model = await readFile(graphFile);
  const places = new Map<string, number>();
  for (const graph of fields(model, 7)) {
    for (const tensor of fields(graph, 5)) {
      const [name = ''] = fields(tensor, 8).map(String);
      if (LOOKED_UP.test(name)) continue;
      const place = new Map(
        fields(tensor, 13).map((entry) => [
          fields(entry, 1).map(String)[0],
          fields(entry, 2).map(String)[0],
        ]),
      );
      const length = place.get('length');
      if (length !== undefined)
        places.set(`${place.get('location')} ${place.get('offset')}`, Number(length));
    }
  }
  return [...places.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Contents of a message's length-delimited fields of one number. */
function fields(message: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('The graph ends within a field.');
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const wireType = tag & 7;
    if (wireType === 0) varint();
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else if (wireType === 2) {
      const length = varint();
      if (Math.floor(tag / 8) === wanted) found.push(message.subarray(at, at + length));
      at += length;
    } else throw new Error(`The graph has a field of wire type ${wireType}.`);
  }
  return found;
}
