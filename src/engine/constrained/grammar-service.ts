import { Worker } from 'node:worker_threads';
import type { ConstraintRequest, TokenConstraint } from '../token-constraint.ts';
import type { FromGrammarThread, ToGrammarThread } from './grammar-worker.ts';
import type { VocabularySource } from './xgrammar.ts';

/** A constraint whose matcher runs on the grammar thread. Each message to the thread is answered with a mask. */
export class RemoteConstraint implements TokenConstraint {
  readonly #id: number;
  readonly #post: (message: ToGrammarThread) => void;
  readonly #onClose: () => void;
  #mask: Int32Array | null = null;
  #failure: string | null = null;
  #isClosed = false;
  /** Number of outstanding answers. Only the last one is the current mask. */
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

const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './grammar-worker.ts' : './grammar-worker.js',
  import.meta.url,
);

/** Most time to compile a grammar, including the grammars before it in the queue. */
const COMPILE_TIMEOUT_MS = 30_000;

/**
 * Opens constraints from grammars. The work runs on a thread that starts with the first grammar. If the thread dies or
 * hangs, its constraints fail and the next request starts a new thread.
 */
export class GrammarService {
  readonly #source: VocabularySource;
  readonly #open = new Map<number, RemoteConstraint>();
  #worker: Worker | undefined;
  #nextId = 0;

  constructor(source: VocabularySource) {
    this.#source = source;
  }

  open({ grammar, endTokens }: ConstraintRequest): TokenConstraint {
    const id = this.#nextId++;
    const worker = this.#worker ?? this.#start();
    const post = (message: ToGrammarThread): void => worker.postMessage(message);
    const constraint = new RemoteConstraint(id, post, () => this.#forget(id));
    this.#open.set(id, constraint);
    worker.ref();
    post({ type: 'open', id, grammar, endTokens });
    const timer = setTimeout(() => this.#giveUp(worker), COMPILE_TIMEOUT_MS);
    void constraint.ready().then(() => clearTimeout(timer));
    return constraint;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(WORKER_FILE, { workerData: this.#source });
    this.#worker = worker;
    worker.on('message', (message: FromGrammarThread) => {
      const constraint = this.#open.get(message.id);
      if (message.type === 'mask') constraint?.know(message.mask);
      else constraint?.fail(message.message);
    });
    worker.on('error', (error) => this.#lose(worker, error.message));
    worker.on('exit', (code) => this.#lose(worker, `The grammar thread ended with code ${code}.`));
    return worker;
  }

  #giveUp(worker: Worker): void {
    this.#lose(worker, `A grammar took more than ${COMPILE_TIMEOUT_MS} ms to compile.`);
    void worker.terminate();
  }

  #lose(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const constraint of this.#open.values()) constraint.fail(reason);
    this.#open.clear();
  }

  /** An idle thread does not keep the process alive. */
  #forget(id: number): void {
    this.#open.delete(id);
    if (this.#open.size === 0) this.#worker?.unref();
  }
}
