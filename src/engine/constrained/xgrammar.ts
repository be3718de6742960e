import type * as Library from '@mlc-ai/web-xgrammar';
import type { CompiledGrammar, GrammarCompiler } from '@mlc-ai/web-xgrammar';
import { BYTE_OF_CHARACTER, bytesOfToken, type TokenTable } from '../../package/token-table.ts';
import { either, literal } from './ebnf.ts';
import type { CallableTool, CheckedSchema, GrammarSpec } from './grammar-spec.ts';
import { schemaRules, sharedRules } from './schema-grammar.ts';

export type XGrammar = typeof Library;

const PACKAGE = '@mlc-ai/web-xgrammar';

/**
 * Loads xgrammar and its WebAssembly. The bundle is a browser script that also runs on Node: it reads its own URL from
 * `location` and puts its exports on the global object. So call this on a separate thread.
 */
export async function loadXGrammar(): Promise<XGrammar> {
  Reflect.set(globalThis, 'location', { href: import.meta.resolve(PACKAGE) });
  try {
    await import(PACKAGE);
    const library: XGrammar = Reflect.get(globalThis, 'xgrammar');
    // The first call loads the WebAssembly, which reads `location` again.
    (await library.Grammar.builtinJSONGrammar()).dispose();
    return library;
  } finally {
    Reflect.deleteProperty(globalThis, 'location');
  }
}

export interface VocabularySource {
  readonly tokenTable: TokenTable;
  /** Tokens that write no text, so no grammar contains them. */
  readonly silentIds: readonly number[];
  readonly eos: readonly number[];
}

/** All tokens in GPT-2's byte characters; empty for tokens that write no text. */
export function spelledVocabulary({ tokenTable, silentIds }: VocabularySource): string[] {
  const characters: string[] = [];
  for (const [character, byte] of BYTE_OF_CHARACTER) characters[byte] = character;
  const silent = new Set(silentIds);
  return Array.from({ length: tokenTable.offsets.length - 1 }, (_, id) =>
    silent.has(id)
      ? ''
      : Array.from(bytesOfToken(tokenTable, id), (byte) => characters[byte] ?? '').join(''),
  );
}

type Calls = GrammarSpec & { readonly kind: 'calls' };

const OPEN = '<tool_call>';
const CLOSE = '\n</tool_call>';

/** Compiles the grammar of an answer. @throws Error from xgrammar when it rejects the grammar */
export function compileGrammar(
  compiler: GrammarCompiler,
  spec: GrammarSpec,
): Promise<CompiledGrammar> {
  if (spec.kind === 'json') return compiler.compileGrammar(jsonGrammar(spec.schema));
  if (spec.otherwise !== 'text') return compiler.compileGrammar(callsGrammar(spec));
  return compiler.compileStructuralTag({
    type: 'structural_tag',
    format: {
      type: 'triggered_tags',
      triggers: [OPEN],
      tags: spec.tools.map(({ name, schema }) => ({
        type: 'tag',
        begin: beginOf(name),
        content: { type: 'grammar', grammar: jsonGrammar(schema) },
        end: `}${CLOSE}`,
      })),
      stop_after_first: spec.single,
    },
  });
}

/** Beginning of a call as Hermes and Qwen write it, up to its arguments. */
function beginOf(name: string): string {
  return `${OPEN}\n{"name": ${JSON.stringify(name)}, "arguments": `;
}

function jsonGrammar(schema: CheckedSchema): string {
  const { root, rules } = schemaRules(schema, 'a');
  return grammar(root, rules);
}

/** One or more calls; or JSON in their place, where the request allows it. */
function callsGrammar({ tools, otherwise, single }: Calls): string {
  const rules: string[] = [];
  const calls = tools.map((tool, index) => callRule(tool, `t${index}x`, rules));
  rules.push(`call ::= ${either(calls)}`);
  const several = single ? 'call' : 'call ("\\n" call)*';
  if (typeof otherwise === 'string') return grammar(several, rules);
  const json = schemaRules(otherwise, 'a');
  return grammar(`${json.root} | ${several}`, [...rules, ...json.rules]);
}

/** EBNF of a call. Adds the rules it needs. */
function callRule({ name, schema }: CallableTool, prefix: string, rules: string[]): string {
  const values = schemaRules(schema, prefix);
  rules.push(...values.rules);
  return `${literal(beginOf(name))} ${values.root} ${literal(`}${CLOSE}`)}`;
}

function grammar(root: string, rules: readonly string[]): string {
  return [`root ::= ${root}`, ...rules, ...sharedRules()].join('\n');
}
