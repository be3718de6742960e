/** End tokens and sampling defaults. Missing fields have the defaults of transformers' GenerationConfig. */
import { z } from 'zod';
import { ConvertError } from '../convert-error.ts';
import { readOptionalJson } from './json-file.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

export interface GenerationConfig {
  readonly eosTokenIds: readonly number[];
  readonly sampling: {
    readonly temperature: number;
    readonly topP: number;
    readonly topK: number;
    readonly repetitionPenalty: number;
  };
}

const generationSchema = z.looseObject({
  eos_token_id: z.union([z.int().min(0), z.array(z.int().min(0))]).nullish(),
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  repetition_penalty: z.number().positive().nullish(),
});

type Eos = number | readonly number[] | null | undefined;

/**
 * Appends to `notes` when generation_config.json is missing.
 * @param configEos eos_token_id of config.json, for checkpoints without generation_config.json
 * @throws ConvertError when no file gives an end token
 */
export async function readGenerationConfig(
  dir: string,
  { configEos, tokenizer }: { configEos: Eos; tokenizer: TokenizerFiles },
  notes: string[],
): Promise<GenerationConfig> {
  const found = await readOptionalJson(dir, 'generation_config.json', generationSchema);
  if (found === undefined) notes.push('There is no generation_config.json; sampling is greedy.');
  const raw = found ?? generationSchema.parse({});
  const eosTokenIds = [
    listOf(raw.eos_token_id),
    listOf(configEos),
    listOf(tokenizer.eosToken === undefined ? undefined : tokenizer.idOf(tokenizer.eosToken)),
  ].find((ids) => ids.length > 0);
  if (eosTokenIds === undefined) {
    throw new ConvertError(
      'No end-of-sequence token: eos_token_id is in neither generation_config.json nor config.json, and tokenizer_config.json names no eos_token.',
    );
  }
  const samples = raw.do_sample === true;
  return {
    eosTokenIds,
    sampling: {
      temperature: samples ? (raw.temperature ?? 1) : 0,
      topP: samples ? (raw.top_p ?? 1) : 1,
      topK: samples ? (raw.top_k ?? 50) : 0,
      repetitionPenalty: raw.repetition_penalty ?? 1,
    },
  };
}

function listOf(eos: Eos): readonly number[] {
  if (eos === null || eos === undefined) return [];
  return typeof eos === 'number' ? [eos] : eos;
}
