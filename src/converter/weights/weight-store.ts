/**
 * Assigns every weight a position in a data file. A tensor that is used twice in the same form is stored once, so a tied
 * embedding and head, or two graphs, share the bytes.
 */
import type { BlockSize } from '../../package/manifest.ts';
import type { ModelTensors } from '../checkpoint/match-tensors.ts';
import type { Bits } from '../quantization/block-quantizer.ts';
import type { ErrorSink } from '../quantization/storage-error.ts';
import {
  computedGroup,
  float16Group,
  float32Group,
  int8ColumnsGroup,
  narrowedGroup,
  quantizedGroup,
  transposedFloat32Group,
} from '../quantization/tensor-groups.ts';
import type { DataFile, StoredTensor, TensorGroup } from './data-file.ts';

export interface WeightStoreOptions {
  readonly tensors: ModelTensors;
  readonly file: DataFile;
  /** Receives errors of half precision, and with `measure` those of quantisation, which take time to compute. */
  readonly onError: ErrorSink;
  readonly measure: boolean;
  /** Block size of int8 and int4 weights. */
  readonly blockSize: BlockSize;
  /** Store that is searched first. Its file must be written before this one's. */
  readonly base?: WeightStore | undefined;
}

/** Positions of the weights of one data file, and of its base. */
export class WeightStore {
  readonly #options: WeightStoreOptions;
  readonly #stored = new Map<string, readonly StoredTensor[]>();

  constructor(options: WeightStoreOptions) {
    this.#options = options;
  }

  get blockSize(): BlockSize {
    return this.#options.blockSize;
  }

  /** Shape of the checkpoint's tensor. */
  shape(name: string): readonly number[] {
    return this.#options.tensors.get(name).shape;
  }

  /** Rows and columns of a linear's weight. */
  matrix(name: string): { rows: number; columns: number } {
    const [rows, columns] = this.shape(name);
    if (rows === undefined || columns === undefined) throw new Error(`${name} is not a matrix.`);
    return { rows, columns };
  }

  float32(name: string): StoredTensor {
    return this.#once('fp32', name, () => float32Group(this.#options.tensors.get(name)))[0]!;
  }

  transposedFloat32(name: string): StoredTensor {
    const group = () => transposedFloat32Group(this.#options.tensors.get(name));
    return this.#once('fp32 transposed', name, group)[0]!;
  }

  float16(name: string, { transposed }: { transposed: boolean }): StoredTensor {
    const { tensors, onError } = this.#options;
    const group = () => float16Group(tensors.get(name), { transposed, onError });
    return this.#once(transposed ? 'fp16 transposed' : 'fp16', name, group)[0]!;
  }

  quantized(name: string, bits: Bits): { values: StoredTensor; scales: StoredTensor } {
    const { tensors, onError, measure } = this.#options;
    const group = () =>
      quantizedGroup(tensors.get(name), {
        format: { bits, blockSize: this.blockSize },
        onError: measure ? onError : undefined,
      });
    const [values, scales] = this.#once(`int${bits}`, name, group);
    return { values: values!, scales: scales! };
  }

  /** The scales of the block-wise form, in half precision. */
  float16Scales(name: string, bits: Bits): StoredTensor {
    const { scales } = this.quantized(name, bits);
    return this.#once(`int${bits} fp16 scales`, name, () => narrowedGroup(name, scales))[0]!;
  }

  /** Per-channel int8 [columns, rows], with one scale per row. */
  int8Columns(name: string): { values: StoredTensor; scales: StoredTensor } {
    const { tensors, onError, measure } = this.#options;
    const group = () =>
      int8ColumnsGroup(tensors.get(name), { onError: measure ? onError : undefined });
    const [values, scales] = this.#once('int8 columns', name, group);
    return { values: values!, scales: scales! };
  }

  computed(name: string, values: Float32Array, type: 'float32' | 'float16'): StoredTensor {
    return this.#place(`${type} ${name}`, () => computedGroup(name, values, type))[0]!;
  }

  #once(form: string, name: string, group: () => TensorGroup): readonly StoredTensor[] {
    return this.#place(`${form} ${this.#options.tensors.get(name).name}`, group);
  }

  #place(key: string, group: () => TensorGroup): readonly StoredTensor[] {
    const places = this.#find(key) ?? this.#options.file.add(group());
    this.#stored.set(key, places);
    return places;
  }

  #find(key: string): readonly StoredTensor[] | undefined {
    const { base } = this.#options;
    return this.#stored.get(key) ?? (base === undefined ? undefined : base.#find(key));
  }
}
