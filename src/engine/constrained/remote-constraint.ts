import type { TokenConstraint } from '../token-constraint.ts';
import type { ToGrammarThread } from './grammar-worker.ts';

/** A constraint that a thread keeps; its masks arrive one after the other, each the answer to what was asked last. */
export class RemoteConstraint implements TokenConstraint {
  readonly #id: number;
  readonly #post: (message: ToGrammarThread) => void;
  readonly #onClose: () => void;
  #mask: Int32Array | null = null;
  #failure: string | null = null;
  #isClosed = false;
  /** Answers that are still to come: of several only the last is the mask of now. */
  #numPending = 1;
  #waiting: (() => void)[] = [];

  constructor(id: number, post: (message: ToGrammarThread) => void, onClose: () => void) {
    this.#id = id;
    this.#post = post;
    this.#onClose = onClose;
  }

  get mask(): Int32Array | null {
    if (this.#failure !== null) throw new Error(this.#failure);
    return this.#mask;
  }

  ready(): Promise<void> {
    if (this.#mask !== null || this.#failure !== null || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  accept(tokenId: number): void {
    this.#ask({ type: 'accept', id: this.#id, tokenId });
  }

  reset(): void {
    this.#ask({ type: 'reset', id: this.#id });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#failure === null) this.#post({ type: 'close', id: this.#id });
    this.#onClose();
    this.#settle();
  }

  know(mask: Int32Array): void {
    this.#numPending--;
    if (this.#numPending > 0) return;
    this.#mask = mask;
    this.#settle();
  }

  fail(reason: string): void {
    this.#failure ??= reason;
    this.#settle();
  }

  #ask(message: ToGrammarThread): void {
    this.#mask = null;
    this.#numPending++;
    this.#post(message);
  }

  #settle(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
