/** Largest magnitudes of a model's float16 values, by layer and kind. */

/** Largest magnitudes of the values that are float16 on a GPU: per run, in the order of the names. */
export interface Magnitudes {
  readonly names: readonly string[];
  readonly runs: readonly Float32Array[];
}

/** Largest finite float16. Values up to half a step (16) above it round down to it. */
export const FLOAT16_MAX = 65_504;

export interface LargestValue {
  readonly part: 'vision' | 'decoder';
  /** null for the projector and the head. */
  readonly layer: number | null;
  /** Name of the value in the layer, such as `mlp/down_proj`. */
  readonly value: string;
  /** Type on the GPU; the residual stream may be float32. */
  readonly type: 'float16' | 'float32';
  /** Largest magnitude over all prompts, in float32 arithmetic; null if it is not finite in float32. */
  readonly largest: number | null;
}

/** Operators whose type is not part of a value's name. */
const UNNAMED: ReadonlySet<string> = new Set([
  'Add',
  'Cast',
  'Gemm',
  'MatMul',
  'MatMulNBits',
  'SimplifiedLayerNormalization',
  'SkipSimplifiedLayerNormalization',
]);

/** Collects magnitudes over runs. */
export class LargestValues {
  readonly #values = new Map<string, LargestValue>();

  /** Names are those of the graph: `/model/layers.0/mlp/down_proj/MatMul/output_0`. */
  add(part: LargestValue['part'], { names, runs }: Magnitudes): void {
    for (const magnitudes of runs) {
      for (const [index, name] of names.entries()) {
        this.#raise({ part, ...placeOf(name), type: 'float16' }, magnitudes[index] ?? Number.NaN);
      }
    }
  }

  /** The residual stream after a layer of the decoder, where it is float32 on the GPU. */
  addStream(layer: number, stream: Float32Array): void {
    let largest = 0;
    // The negated comparison keeps a NaN.
    for (const value of stream) if (!(Math.abs(value) <= largest)) largest = Math.abs(value);
    this.#raise({ part: 'decoder', layer, value: 'stream', type: 'float32' }, largest);
  }

  #raise(place: Omit<LargestValue, 'largest'>, found: number): void {
    const key = JSON.stringify([place.part, place.layer, place.value]);
    const before = this.#values.get(key)?.largest;
    const isLost = before === null || !Number.isFinite(found);
    this.#values.set(key, { ...place, largest: isLost ? null : Math.max(before ?? 0, found) });
  }

  /** In order of computation. */
  get all(): readonly LargestValue[] {
    return [...this.#values.values()];
  }
}

/** Whether a float16 value becomes infinite. */
export function overflows({ type, largest }: LargestValue): boolean {
  return type === 'float16' && (largest === null || largest >= FLOAT16_MAX + 16);
}

function placeOf(name: string): Pick<LargestValue, 'layer' | 'value'> {
  const cached = /^present_(key|value)\.(\d+)$/.exec(name);
  if (cached) return { layer: Number(cached[2]), value: `attn/cached ${cached[1]}` };
  const layer = /\/layers\.(\d+)\//.exec(name);
  // The sum of stream and attention, inside the layer.
  if (layer !== null && /SkipSimplifiedLayerNormalization\/output_3$/.test(name)) {
    return { layer: Number(layer[1]), value: 'stream within' };
  }
  const steps = name
    .replace(/^.*\/layers\.\d+\//, '')
    .replace(/^\//, '')
    .replace(/\/output_\d$/, '')
    .split('/');
  if (UNNAMED.has(steps.at(-1) ?? '')) steps.pop();
  return { layer: layer === null ? null : Number(layer[1]), value: steps.join('/') };
}
