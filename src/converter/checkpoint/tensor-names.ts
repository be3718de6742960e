/**
 * Canonical tensor names: `text.…`, `head.weight`, `vision.…`, `projector.…`, `newline`. They replace the naming schemes
 * of the LLaVA-OneVision family (before and since transformers 4.52) and of text-only Qwen3.
 */
export type Architecture = 'r4b' | 'qwen3';

type PrefixTable = readonly (readonly [checkpoint: string, canonical: string])[];

const VISION_MODEL = 'vision_tower.vision_model.';
const PREFIXES: Readonly<Record<Architecture, PrefixTable>> = {
  r4b: [
    ['model.language_model.', 'text.'],
    ['language_model.model.', 'text.'],
    ['language_model.lm_head.', 'head.'],
    ['lm_head.', 'head.'],
    [`model.${VISION_MODEL}`, 'vision.'],
    [VISION_MODEL, 'vision.'],
    ['model.multi_modal_projector.', 'projector.'],
    ['multi_modal_projector.', 'projector.'],
    ['model.image_newline', 'newline'],
    ['image_newline', 'newline'],
  ],
  qwen3: [
    ['lm_head.', 'head.'],
    ['model.', 'text.'],
  ],
};

/** @returns the canonical name, or undefined when no scheme of the architecture has the prefix */
export function canonicalName(name: string, architecture: Architecture): string | undefined {
  for (const [prefix, canonical] of PREFIXES[architecture]) {
    if (name.startsWith(prefix)) return canonical + name.slice(prefix.length);
  }
  return undefined;
}

/** A tensor's name in the newest scheme, for messages about missing tensors. */
export function checkpointName(canonical: string, architecture: Architecture): string {
  for (const [prefix, short] of PREFIXES[architecture]) {
    if (canonical.startsWith(short)) return prefix + canonical.slice(short.length);
  }
  return canonical;
}

/** @returns the reason why the graphs do not use a tensor, or undefined for one that they use */
export function unusedReason(canonical: string, numVisionLayersUsed: number): string | undefined {
  if (canonical.startsWith('vision.post_layernorm.')) {
    return 'the features are taken before the post layer norm';
  }
  if (canonical.startsWith('vision.head.')) return 'the pooling head is not part of the features';
  const layer = /^vision\.encoder\.layers\.(\d+)\./.exec(canonical)?.[1];
  if (layer !== undefined && Number(layer) >= numVisionLayersUsed) {
    return 'the layer lies after the feature layer';
  }
  return undefined;
}

/** Old checkpoints store the rotary frequencies; the converter computes them from the config. */
export function isRotaryBuffer(name: string): boolean {
  return name.endsWith('.rotary_emb.inv_freq');
}
