/** Error of a stored tensor against the checkpoint. */
export interface StorageError {
  readonly name: string;
  readonly form: 'fp16' | 'int8' | 'int4';
  /** ‖stored − original‖ / ‖original‖ (Frobenius). */
  readonly relative: number;
  readonly maxAbsolute: number;
  /** Finite values that became infinite. */
  readonly overflows: number;
}

/** Receives the error of every tensor that is stored with a loss. */
export type ErrorSink = (error: StorageError) => void;

/** Accumulates the error of a tensor, part by part. */
export class ErrorMeter {
  readonly #name: string;
  readonly #form: StorageError['form'];
  #difference = 0;
  #norm = 0;
  #maxAbsolute = 0;
  overflows = 0;

  constructor(name: string, form: StorageError['form']) {
    this.#name = name;
    this.#form = form;
  }

  add(original: Float32Array, stored: Float32Array): void {
    let difference = 0;
    let norm = 0;
    let maxAbsolute = this.#maxAbsolute;
    for (let i = 0; i < original.length; i++) {
      const value = original[i]!;
      const delta = Math.abs(stored[i]! - value);
      difference += delta * delta;
      norm += value * value;
      if (delta > maxAbsolute) maxAbsolute = delta;
    }
    this.#difference += difference;
    this.#norm += norm;
    this.#maxAbsolute = maxAbsolute;
  }

  result(): StorageError {
    const relative = this.#norm === 0 ? 0 : Math.sqrt(this.#difference / this.#norm);
    const { overflows } = this;
    return {
      name: this.#name,
      form: this.#form,
      relative,
      maxAbsolute: this.#maxAbsolute,
      overflows,
    };
  }
}
