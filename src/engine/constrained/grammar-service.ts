import { Worker } from 'node:worker_threads';
import type { ConstraintRequest, TokenConstraint } from '../token-constraint.ts';
import type { FromGrammarThread, ToGrammarThread } from './grammar-worker.ts';
import { RemoteConstraint } from './remote-constraint.ts';
import type { VocabularySource } from './spelled-vocabulary.ts';

const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './grammar-worker.ts' : './grammar-worker.js',
  import.meta.url,
);

/** Longest that compiling a grammar may take, those before it in the queue included. */
const COMPILE_TIMEOUT_MS = 30_000;

/**
 * Opens constraints from grammars. The work is done on a thread that starts with the first of them; one that dies or
 * does not come to an end takes its constraints with it, and the next request starts another.
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

  /** A thread without work does not keep the process alive. */
  #forget(id: number): void {
    this.#open.delete(id);
    if (this.#open.size === 0) this.#worker?.unref();
  }
}
