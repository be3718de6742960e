/**
 * cos and sin of the rotary embedding's angles. The arithmetic is that of transformers' Qwen3RotaryEmbedding: the
 * frequencies `1 / theta^(2i/d)` and the angles are rounded to float32 before cos and sin.
 */
export interface RotaryTables {
  /** [maxPositions, headDim / 2] */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

export function rotaryTables(options: {
  headDim: number;
  maxPositions: number;
  ropeTheta: number;
}): RotaryTables {
  const half = options.headDim / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => {
    const exponent = Math.fround((2 * i) / options.headDim);
    return 1 / Math.fround(options.ropeTheta ** exponent);
  });
  const cos = new Float32Array(options.maxPositions * half);
  const sin = new Float32Array(cos.length);
  for (let position = 0, at = 0; position < options.maxPositions; position++) {
    for (let i = 0; i < half; i++, at++) {
      const angle = Math.fround(position * frequencies[i]!);
      cos[at] = Math.cos(angle);
      sin[at] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
