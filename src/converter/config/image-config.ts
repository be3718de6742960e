/** Image preprocessing: preprocessor_config.json, processor_config.json and the placeholder token. */
import { z } from 'zod';
import { ConvertError } from '../convert-error.ts';
import { readJson, readOptionalJson } from './json-file.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';
import type { RawMultimodalConfig, VisionConfig } from './vision-config.ts';

/** How pixels become the vision tower's input. */
export interface ImageConfig {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly rescaleFactor: number;
  readonly resample: 'bicubic' | 'bilinear';
  readonly gridPinpoints: readonly (readonly [number, number])[];
  /** Placeholder text of an image, and its token id. */
  readonly placeholder: string;
  readonly tokenId: number;
}

const sizeSchema = z.union([
  z.int(),
  z.looseObject({ height: z.int(), width: z.int() }),
  z.looseObject({ shortest_edge: z.int() }),
]);

const preprocessorSchema = z.looseObject({
  image_mean: z.tuple([z.number(), z.number(), z.number()]),
  image_std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  do_rescale: z.boolean().nullish(),
  do_normalize: z.boolean().nullish(),
  do_resize: z.boolean().nullish(),
  resample: z.int().default(3),
  size: sizeSchema.optional(),
  image_grid_pinpoints: z.array(z.tuple([z.int().min(1), z.int().min(1)])).nullish(),
});
const processorSchema = z.looseObject({
  image_token: z.string().min(1).optional(),
  num_image_tokens: z.int().nullish(),
  vision_feature_select_strategy: z.string().nullish(),
  vision_aspect_ratio: z.string().nullish(),
});
type Preprocessor = z.output<typeof preprocessorSchema>;
type Processor = z.output<typeof processorSchema>;

/** PIL's filter numbers. */
const RESAMPLES: Readonly<Record<number, ImageConfig['resample']>> = {
  2: 'bilinear',
  3: 'bicubic',
};

/**
 * Appends to `notes` every value that is unusual for the family or that differs between the files.
 * @throws ConvertError that names a value without support in the vision graph
 */
export async function readImageConfig(
  dir: string,
  model: { raw: RawMultimodalConfig; tower: VisionConfig },
  tokenizer: TokenizerFiles,
  notes: string[],
): Promise<ImageConfig> {
  const preprocessor = await readJson(dir, 'preprocessor_config.json', preprocessorSchema);
  const processor = (await readOptionalJson(dir, 'processor_config.json', processorSchema)) ?? {};
  checkSteps(preprocessor, model.tower);
  checkProcessor(processor, model.tower, notes);
  const { image_mean: mean, image_std: std } = preprocessor;
  if ([...mean, ...std].some((value) => value !== 0.5)) {
    notes.push(`image_mean is [${mean}] and image_std [${std}]; 0.5 throughout was expected.`);
  }
  const resample = RESAMPLES[preprocessor.resample];
  if (resample === undefined) {
    throw new ConvertError(
      `preprocessor_config.json: resample is ${preprocessor.resample}; only 2 (bilinear) and 3 (bicubic) are supported.`,
    );
  }
  if (resample !== 'bicubic') notes.push(`resample is 2 (bilinear); 3 (bicubic) was expected.`);
  const placeholder = processor.image_token ?? tokenizer.imageToken ?? '<image>';
  return {
    mean,
    std,
    rescaleFactor: preprocessor.rescale_factor,
    resample,
    gridPinpoints: choosePinpoints(model, preprocessor, notes),
    placeholder,
    tokenId: imageTokenId(model.raw, tokenizer, placeholder, notes),
  };
}

function checkSteps(preprocessor: Preprocessor, tower: VisionConfig): void {
  for (const step of ['do_resize', 'do_rescale', 'do_normalize'] as const) {
    if (preprocessor[step] === false) {
      throw new ConvertError(`preprocessor_config.json: ${step} is false; only true is supported.`);
    }
  }
  const { size } = preprocessor;
  if (size === undefined) return;
  const sides =
    typeof size === 'number'
      ? [size]
      : 'shortest_edge' in size
        ? [size.shortest_edge]
        : [size.height, size.width];
  if (sides.some((side) => side !== tower.imageSize)) {
    throw new ConvertError(
      `preprocessor_config.json: size is ${JSON.stringify(size)}, but the tower takes ${tower.imageSize} (vision_config.image_size).`,
    );
  }
}

function checkProcessor(processor: Processor, tower: VisionConfig, notes: string[]): void {
  const expected = {
    num_image_tokens: tower.patchesPerSide ** 2,
    vision_feature_select_strategy: 'full',
    vision_aspect_ratio: 'anyres',
  };
  for (const [field, value] of Object.entries(expected)) {
    const found = processor[field];
    if (found !== undefined && found !== null && found !== value) {
      notes.push(`processor_config.json: ${field} is ${found}; ${value} follows from config.json.`);
    }
  }
}

function choosePinpoints(
  { raw, tower }: { raw: RawMultimodalConfig; tower: VisionConfig },
  preprocessor: Preprocessor,
  notes: string[],
): readonly (readonly [number, number])[] {
  const cut = preprocessor.image_grid_pinpoints ?? undefined;
  const packed = raw.image_grid_pinpoints ?? undefined;
  const pinpoints = cut ?? packed;
  if (pinpoints === undefined || pinpoints.length === 0) {
    throw new ConvertError(
      'Neither preprocessor_config.json nor config.json gives image_grid_pinpoints.',
    );
  }
  if (cut && packed && JSON.stringify(cut) !== JSON.stringify(packed)) {
    notes.push(
      `image_grid_pinpoints differ: ${cut.length} in preprocessor_config.json (taken), ${packed.length} in config.json.`,
    );
  }
  const uneven = pinpoints.find((sides) => sides.some((side) => side % tower.imageSize !== 0));
  if (uneven) {
    throw new ConvertError(
      `image_grid_pinpoints holds [${uneven}]; both sides must be multiples of the tile size ${tower.imageSize}.`,
    );
  }
  return pinpoints;
}

function imageTokenId(
  raw: RawMultimodalConfig,
  tokenizer: TokenizerFiles,
  placeholder: string,
  notes: string[],
): number {
  const id = tokenizer.idOf(placeholder);
  if (id === undefined) {
    throw new ConvertError(
      `tokenizer.json has no token ${placeholder}, which stands for an image.`,
    );
  }
  const configured = raw.image_token_index ?? raw.image_token_id;
  if (configured !== id) {
    const said = configured === undefined ? 'is not given' : `is ${configured}`;
    notes.push(`image_token_index ${said}; the tokenizer's id of ${placeholder} is ${id} (taken).`);
  }
  return id;
}
