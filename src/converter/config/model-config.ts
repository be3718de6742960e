/** Reads and checks all config files of a checkpoint folder. */
import { z } from 'zod';
import type { Architecture } from '../checkpoint/tensor-names.ts';
import { ConvertError } from '../convert-error.ts';
import { readChatTemplate } from './chat-template.ts';
import { type GenerationConfig, readGenerationConfig } from './generation-config.ts';
import { type ImageConfig, readImageConfig } from './image-config.ts';
import { checked, readJson } from './json-file.ts';
import {
  checkTextConfig,
  type RawTextConfig,
  type TextConfig,
  textConfigSchema,
} from './text-config.ts';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.ts';
import { checkVisionConfig, multimodalConfigSchema, type VisionConfig } from './vision-config.ts';

/** The checked config files of a checkpoint. */
export interface ModelConfig extends GenerationConfig {
  readonly architecture: Architecture;
  readonly architectures: readonly string[];
  readonly modelType: string;
  readonly text: TextConfig;
  readonly vision: { readonly tower: VisionConfig; readonly image: ImageConfig } | null;
  readonly chatTemplate: string;
  /** Differences between the checkpoint and its family, or between its files. */
  readonly notes: readonly string[];
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  RForConditionalGeneration: 'r4b',
  Qwen3ForCausalLM: 'qwen3',
};
/** Layers of R-4B's vision tower, computed from the published parameter count. */
const R4B_VISION_LAYERS = 26;

const topSchema = z.looseObject({
  architectures: z.array(z.string()).min(1),
  model_type: z.string(),
  max_position_embeddings: z.int().optional(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
});
type Top = z.output<typeof topSchema>;

/** @throws ConvertError that names the file, field and value without support */
export async function readModelConfig(dir: string): Promise<ModelConfig> {
  const top = await readJson(dir, 'config.json', topSchema);
  const architecture = findArchitecture(top.architectures);
  const isMultimodal = architecture === 'r4b';
  const rawText: RawTextConfig = isMultimodal
    ? checked(z.looseObject({ text_config: textConfigSchema }), top, 'config.json').text_config
    : checked(textConfigSchema, top, 'config.json');
  const text = checkTextConfig(rawText, isMultimodal ? 'text_config.' : '');
  const tokenizer = await readTokenizerFiles(dir);
  const notes: string[] = [];
  checkSizes(text, { top, tokenizer }, notes);
  const vision = isMultimodal ? await readVision(dir, { top, tokenizer }, notes) : null;
  const configEos = rawText.eos_token_id ?? top.eos_token_id;
  return {
    architecture,
    architectures: top.architectures,
    modelType: top.model_type,
    text,
    vision,
    ...(await readGenerationConfig(dir, { configEos, tokenizer }, notes)),
    chatTemplate: await readChatTemplate(dir, tokenizer.chatTemplate),
    notes,
  };
}

function findArchitecture(names: readonly string[]): Architecture {
  const architecture = names
    .map((name) => ARCHITECTURES[name])
    .find((known) => known !== undefined);
  if (architecture === undefined) {
    throw new ConvertError(
      `config.json: architectures is [${names.join(', ')}]; supported are ${Object.keys(ARCHITECTURES).join(' and ')}.`,
    );
  }
  return architecture;
}

function checkSizes(
  text: TextConfig,
  { top, tokenizer }: { top: Top; tokenizer: TokenizerFiles },
  notes: string[],
): void {
  if (tokenizer.size > text.vocabSize) {
    throw new ConvertError(
      `tokenizer.json has ids up to ${tokenizer.size - 1}, but the embedding has only ${text.vocabSize} rows (vocab_size).`,
    );
  }
  const outer = top.max_position_embeddings;
  if (outer !== undefined && outer !== text.maxPositions) {
    notes.push(
      `max_position_embeddings is ${outer} for the whole model and ${text.maxPositions} in text_config (taken).`,
    );
  }
}

async function readVision(
  dir: string,
  { top, tokenizer }: { top: Top; tokenizer: TokenizerFiles },
  notes: string[],
): Promise<NonNullable<ModelConfig['vision']>> {
  const raw = checked(multimodalConfigSchema, top, 'config.json');
  const tower = checkVisionConfig(raw);
  if (top.model_type !== 'R') notes.push(`model_type is "${top.model_type}"; "R" was expected.`);
  if (tower.numLayers !== R4B_VISION_LAYERS) {
    notes.push(
      `The vision tower has ${tower.numLayers} layers; R-4B's parameter count implies ${R4B_VISION_LAYERS}.`,
    );
  }
  if (tower.numLayersUsed !== tower.numLayers) {
    notes.push(
      `vision_feature_layer takes the output of layer ${tower.numLayersUsed} of ${tower.numLayers}; the rest is left out.`,
    );
  }
  return { tower, image: await readImageConfig(dir, { raw, tower }, tokenizer, notes) };
}
