import { encodeModel, type ValueInfo } from '../../../onnx/model-proto.ts';
import type { DeviceBuffer, Session, TensorView } from '../session.ts';

/** WebGPU's attention uses its prefill kernel from this many tokens on. */
const PROMPT_TOKENS = 32;
const HEAD_DIM = 16;
const TOLERANCE = 1e-3;

/** Bytes of the probe's keys; its values take as many. */
export const PROBE_CACHE_BYTES = PROMPT_TOKENS * HEAD_DIM * Float32Array.BYTES_PER_ELEMENT;

export interface ProbeOptions {
  readonly createSession: (model: Uint8Array) => Promise<Session>;
  /** PROBE_CACHE_BYTES long, like `values`. */
  readonly keys: DeviceBuffer;
  readonly values: DeviceBuffer;
}

/**
 * Finds out how many tokens of one sequence a device's attention computes correctly in one run. WebGPU's prefill kernel
 * needs subgroups of at least 8 lanes. On a device with fewer (software Vulkan, for example) it computes wrong numbers
 * without an error. Shorter runs use another kernel.
 * @returns Infinity when the prefill kernel is right, else the longest run that avoids it
 */
export async function longestRun({ createSession, keys, values }: ProbeOptions): Promise<number> {
  const session = await createSession(attentionModel());
  const [query, key, value] = [wave(1), wave(2), wave(3)];
  const output = new Float32Array(query.length);
  const cacheDims = [1, 1, PROMPT_TOKENS, HEAD_DIM];
  const pastKey = { type: 'float32', dims: cacheDims, buffer: keys } as const;
  const pastValue = { type: 'float32', dims: cacheDims, buffer: values } as const;
  try {
    await session.run(
      {
        query: rows(query),
        key: rows(key),
        value: rows(value),
        past_key: pastKey,
        past_value: pastValue,
        seqlens_k: { type: 'int32', dims: [1], data: Int32Array.of(PROMPT_TOKENS - 1) },
        total: { type: 'int32', dims: [], data: Int32Array.of(PROMPT_TOKENS) },
      },
      { output: rows(output), present_key: pastKey, present_value: pastValue },
    );
  } finally {
    await session.dispose();
  }
  const expected = attention(query, key, value);
  const isRight = output.every((x, index) => Math.abs(x - expected[index]!) <= TOLERANCE);
  return isRight ? Infinity : PROMPT_TOKENS - 1;
}

/** Computes the graph's causal attention of one head. */
function attention(query: Float32Array, key: Float32Array, value: Float32Array): Float32Array {
  const output = new Float32Array(query.length);
  const row = (from: Float32Array, at: number) => from.subarray(at * HEAD_DIM, (at + 1) * HEAD_DIM);
  for (let at = 0; at < PROMPT_TOKENS; at += 1) {
    const weights = Array.from({ length: at + 1 }, (_, seen) => {
      const product = row(query, at).reduce((sum, x, dim) => sum + x * row(key, seen)[dim]!, 0);
      return Math.exp(product / Math.sqrt(HEAD_DIM));
    });
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [seen, weight] of weights.entries()) {
      for (const [dim, x] of row(value, seen).entries()) {
        output[at * HEAD_DIM + dim]! += (weight / total) * x;
      }
    }
  }
  return output;
}

/** Returns numbers between -1 and 1 that differ from row to row. */
function wave(seed: number): Float32Array {
  return Float32Array.from({ length: PROMPT_TOKENS * HEAD_DIM }, (_, index) =>
    Math.sin(seed + index * (0.7 + seed / 10)),
  );
}

function rows(data: Float32Array): TensorView {
  return { type: 'float32', dims: [1, PROMPT_TOKENS, HEAD_DIM], data };
}

function attentionModel(): Uint8Array {
  const rowValues = (name: string): ValueInfo => {
    return { name, type: 'float32', dims: [1, PROMPT_TOKENS, HEAD_DIM] };
  };
  const cache = (name: string): ValueInfo => {
    return { name, type: 'float32', dims: [1, 1, PROMPT_TOKENS, HEAD_DIM] };
  };
  const inputs: ValueInfo[] = [
    ...['query', 'key', 'value'].map(rowValues),
    ...['past_key', 'past_value'].map(cache),
    { name: 'seqlens_k', type: 'int32', dims: [1] },
    { name: 'total', type: 'int32', dims: [] },
  ];
  const outputs = [rowValues('output'), ...['present_key', 'present_value'].map(cache)];
  const node = {
    name: 'attention',
    type: 'GroupQueryAttention',
    domain: 'com.microsoft',
    inputs: inputs.map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
    attributes: { num_heads: { int: 1 }, kv_num_heads: { int: 1 } },
  };
  return encodeModel(
    { name: 'attention', nodes: [node], initializers: [], inputs, outputs },
    'thinkgate',
  );
}
