/** How large a model's float16 values get, by layer and kind. */

import type { Magnitudes } from './threefold.ts';

/** Beyond it a float16 is infinite; up to half a step more still rounds down to it. */
export const FLOAT16_MAX = 65_504;

export interface LargestValue {
  readonly part: 'vision' | 'decoder';
  /** null outside the layers: in the projector and the head. */
  readonly layer: number | null;
  /** Which value of the layer, such as `mlp/down_proj`. */
  readonly value: string;
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
]);

/** Gathers magnitudes over runs. */
export class LargestValues {
  readonly #values = new Map<string, LargestValue>();

  /** Names are those of the graph: `/model/layers.0/mlp/down_proj/MatMul/output_0`. */
  add(part: LargestValue['part'], { names, runs }: Magnitudes): void {
    for (const magnitudes of runs) this.#addRun(part, names, magnitudes);
  }

  #addRun(part: LargestValue['part'], names: readonly string[], magnitudes: Float32Array): void {
    for (const [index, name] of names.entries()) {
      const place = placeOf(name);
      const key = JSON.stringify([part, place]);
      const before = this.#values.get(key)?.largest;
      const found = magnitudes[index] ?? Number.NaN;
      const isLost = before === null || !Number.isFinite(found);
      const largest = isLost ? null : Math.max(before ?? 0, found);
      this.#values.set(key, { part, ...place, largest });
    }
  }

  /** In the order in which they are computed. */
  get all(): readonly LargestValue[] {
    return [...this.#values.values()];
  }
}

/** Whether a float16 cannot hold it. */
export function overflows({ largest }: LargestValue): boolean {
  return largest === null || largest >= FLOAT16_MAX + 16;
}

function placeOf(name: string): Pick<LargestValue, 'layer' | 'value'> {
  const cached = /^present_(key|value)\.(\d+)$/.exec(name);
  if (cached) return { layer: Number(cached[2]), value: `attn/cached ${cached[1]}` };
  const layer = /\/layers\.(\d+)\//.exec(name);
  const steps = name
    .replace(/^.*\/layers\.\d+\//, '')
    .replace(/^\//, '')
    .replace(/\/output_\d$/, '')
    .split('/');
  if (UNNAMED.has(steps.at(-1) ?? '')) steps.pop();
  return { layer: layer === null ? null : Number(layer[1]), value: steps.join('/') };
}
