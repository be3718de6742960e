import type * as Library from '@mlc-ai/web-xgrammar';

export type XGrammar = typeof Library;

const PACKAGE = '@mlc-ai/web-xgrammar';

/**
 * Loads the grammar engine and its WebAssembly. The package's bundle is a script for browsers, though it runs on Node:
 * it looks for its own address in `location` and leaves its exports on the global object. Meant for a thread of its own.
 */
export async function loadXGrammar(): Promise<XGrammar> {
  Reflect.set(globalThis, 'location', { href: import.meta.resolve(PACKAGE) });
  try {
    await import(PACKAGE);
    const library: XGrammar = Reflect.get(globalThis, 'xgrammar');
    // The address is asked for again when the first call loads the WebAssembly.
    (await library.Grammar.builtinJSONGrammar()).dispose();
    return library;
  } finally {
    Reflect.deleteProperty(globalThis, 'location');
  }
}
