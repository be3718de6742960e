/** What the converter knows of a model once its config files are read and checked. */
import type { Architecture } from '../checkpoint/tensor-names.ts';

export interface TextConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly maxPositions: number;
  readonly normEps: number;
  readonly ropeTheta: number;
  /** What the config says; the weights have the last word. */
  readonly tieWordEmbeddings: boolean;
}

export type GeluKind = 'exact' | 'tanh';

export interface VisionConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  /** Layers in the checkpoint, and how many of them the features need. */
  readonly numLayers: number;
  readonly numLayersUsed: number;
  readonly numHeads: number;
  readonly numChannels: number;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly patchesPerSide: number;
  readonly gelu: GeluKind;
  readonly normEps: number;
  readonly projectorGelu: GeluKind;
  readonly projectorBias: boolean;
}

/** How an image's bytes become the tower's input; part of the vision graph or of the manifest. */
export interface ImageConfig {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly rescaleFactor: number;
  readonly resample: 'bicubic' | 'bilinear';
  readonly gridPinpoints: readonly (readonly [number, number])[];
  /** Text that stands for one image, and its id in the tokenizer. */
  readonly placeholder: string;
  readonly tokenId: number;
}

export interface ModelConfig {
  readonly architecture: Architecture;
  readonly architectures: readonly string[];
  readonly modelType: string;
  readonly text: TextConfig;
  readonly vision: { readonly tower: VisionConfig; readonly image: ImageConfig } | null;
  readonly eosTokenIds: readonly number[];
  readonly sampling: {
    readonly temperature: number;
    readonly topP: number;
    readonly topK: number;
    readonly repetitionPenalty: number;
  };
  readonly chatTemplate: string;
  /** Where the checkpoint disagrees with what is known of its family, or with itself. */
  readonly notes: readonly string[];
}
