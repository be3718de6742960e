import { parentPort, workerData } from 'node:worker_threads';
import type { CompiledGrammar, GrammarCompiler, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import { LRUCache } from 'lru-cache';
import { readGrammar } from './grammar-spec.ts';
import {
  compileGrammar,
  loadXGrammar,
  spelledVocabulary,
  type VocabularySource,
  type XGrammar,
} from './xgrammar.ts';

/** Messages to the grammar thread; it handles them in order. */
export type ToGrammarThread =
  | {
      readonly type: 'open';
      readonly id: number;
      readonly grammar: string;
      readonly endTokens: readonly number[];
    }
  | { readonly type: 'accept'; readonly id: number; readonly tokenId: number }
  | { readonly type: 'reset'; readonly id: number }
  | { readonly type: 'close'; readonly id: number };

/** Answer to a message: the mask after it, or why there is none. */
export type FromGrammarThread =
  | { readonly type: 'mask'; readonly id: number; readonly mask: Int32Array }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };

/** Number of compiled grammars kept for requests with the same schema or tools. */
const MAX_COMPILED = 32;

/** Compiles grammars and computes masks on a separate thread: a large schema takes seconds with a large vocabulary. */
class GrammarThread {
  readonly #source: VocabularySource;
  readonly #compiled = new LRUCache<string, CompiledGrammar>({
    max: MAX_COMPILED,
    dispose: (compiled) => compiled.dispose(),
  });
  readonly #matchers = new Map<number, GrammarMatcher>();
  #tools: { library: XGrammar; compiler: GrammarCompiler } | undefined;

  constructor(source: VocabularySource) {
    this.#source = source;
  }

  async handle(message: ToGrammarThread): Promise<void> {
    const { id } = message;
    try {
      await this.#do(message);
      const matcher = this.#matchers.get(id);
      if (matcher === undefined) return;
      const mask = await matcher.getNextTokenBitmask();
      send({ type: 'mask', id, mask });
    } catch (error) {
      this.#close(id);
      send({ type: 'failed', id, message: error instanceof Error ? error.message : String(error) });
    }
  }

  async #do(message: ToGrammarThread): Promise<void> {
    const { id } = message;
    switch (message.type) {
      case 'open':
        return this.#open(message);
      case 'accept':
        if (this.#matchers.get(id)?.acceptToken(message.tokenId) === false) {
          throw new Error(`The grammar does not allow token ${message.tokenId} here.`);
        }
        return;
      case 'reset':
        this.#matchers.get(id)?.reset();
        return;
      case 'close':
        this.#close(id);
    }
  }

  async #open({ id, grammar, endTokens }: ToGrammarThread & { type: 'open' }): Promise<void> {
    this.#tools ??= await this.#load();
    const { library, compiler } = this.#tools;
    let compiled = this.#compiled.get(grammar);
    if (compiled === undefined) {
      compiled = await compileGrammar(compiler, readGrammar(grammar));
      this.#compiled.set(grammar, compiled);
    }
    const matcher = await library.GrammarMatcher.createGrammarMatcher(compiled, [...endTokens]);
    this.#matchers.set(id, matcher);
  }

  async #load(): Promise<{ library: XGrammar; compiler: GrammarCompiler }> {
    const library = await loadXGrammar();
    const info = await library.TokenizerInfo.createTokenizerInfo(
      spelledVocabulary(this.#source),
      'byte_level',
      false,
      this.#source.tokenTable.offsets.length - 1,
      [...this.#source.eos],
    );
    return { library, compiler: await library.GrammarCompiler.createGrammarCompiler(info, false) };
  }

  #close(id: number): void {
    this.#matchers.get(id)?.dispose();
    this.#matchers.delete(id);
  }
}

function send(message: FromGrammarThread): void {
  parentPort?.postMessage(message);
}

const thread = new GrammarThread(workerData);
let last = Promise.resolve();
parentPort?.on('message', (message: ToGrammarThread) => {
  last = last.then(() => thread.handle(message));
});
