import type { NodeProto } from './model-proto.ts';

/** A node of ONNX's own operators with one output, by which it is called, and no attributes. */
export function plainNode(type: string, inputs: readonly string[], output: string): NodeProto {
  return { name: output, type, domain: '', inputs, outputs: [output], attributes: {} };
}
