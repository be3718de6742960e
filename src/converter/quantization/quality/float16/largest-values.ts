/** How large a model's float16 values get, by layer and kind. */

/** How large the values got that a GPU holds in float16; of each run the magnitudes, in the order of the names. */
export interface Magnitudes {
  readonly names: readonly string[];
  readonly runs: readonly Float32Array[];
}

/** Beyond it a float16 is infinite; up to half a step more still rounds down to it. */
export const FLOAT16_MAX = 65_504;

export interface LargestValue {
  readonly part: 'vision' | 'decoder';
  /** null outside the layers: in the projector and the head. */
  readonly layer: number | null;
  /** Which value of the layer, such as `mlp/down_proj`. */
  readonly value: string;
  /** What it is on the GPU; the residual stream may be float32 there. */
  readonly type: 'float16' | 'float32';
  /** Largest magnitude over all prompts, in float32 arithmetic; null where it is not finite even there. */
  readonly largest: number | null;
}

/** Operators that add nothing to the name of the linear, norm or way they stand for. */
const UNNAMED: ReadonlySet<string> = new Set([
  'Add',
  'Cast',
  'Gemm',
  'MatMul',
  'MatMulNBits',
  'SimplifiedLayerNormalization',
  'SkipSimplifiedLayerNormalization',
]);

/** Gathers magnitudes over runs. */
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
    // A NaN goes on to the end.
    for (const value of stream) if (!(Math.abs(value) <= largest)) largest = Math.abs(value);
    this.#raise({ part: 'decoder', layer, value: 'stream', type: 'float32' }, largest);
  }

  #raise(place: Omit<LargestValue, 'largest'>, found: number): void {
    const key = JSON.stringify([place.part, place.layer, place.value]);
    const before = this.#values.get(key)?.largest;
    const isLost = before === null || !Number.isFinite(found);
    this.#values.set(key, { ...place, largest: isLost ? null : Math.max(before ?? 0, found) });
  }

  /** In the order in which they are computed. */
  get all(): readonly LargestValue[] {
    return [...this.#values.values()];
  }
}

/** Whether it is a float16 and too large for one. */
export function overflows({ type, largest }: LargestValue): boolean {
  return type === 'float16' && (largest === null || largest >= FLOAT16_MAX + 16);
}

function placeOf(name: string): Pick<LargestValue, 'layer' | 'value'> {
  const cached = /^present_(key|value)\.(\d+)$/.exec(name);
  if (cached) return { layer: Number(cached[2]), value: `attn/cached ${cached[1]}` };
  const layer = /\/layers\.(\d+)\//.exec(name);
  // The sum beside the norm, on the way through the layer.
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
