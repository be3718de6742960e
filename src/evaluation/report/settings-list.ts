import type { RunSettings } from '../run/settings.ts';

type Entry = readonly [name: string, value: string];

/** What the figures depend on, for the foot of a report. */
export function settingsList(
  dataset: { readonly name: string; readonly sha256: string },
  settings: RunSettings,
  more: readonly Entry[],
): Entry[] {
  const { source, model, precision, prompt, temperature, seed, maxTokens, extra } = settings;
  return [
    ['dataset', `${dataset.name}, sha256 ${dataset.sha256}`],
    ['model', `${model}${precision === null ? '' : `, ${precision}`}, ${source}`],
    ['prompt', prompt],
    ['temperature', `${temperature}${seed === null ? '' : `, seed ${seed}`}`],
    ['most tokens', maxTokens === null ? "the server's default" : String(maxTokens)],
    ...(Object.keys(extra).length === 0
      ? []
      : [['further fields', JSON.stringify(extra)] as const]),
    ...more,
  ];
}
