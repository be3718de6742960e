import type { CompiledGrammar, GrammarCompiler } from '@mlc-ai/web-xgrammar';
import { either, literal } from './ebnf.ts';
import type { CallableTool, CheckedSchema, GrammarSpec } from './grammar-spec.ts';
import { schemaRules, sharedRules } from './schema-grammar.ts';

type Calls = GrammarSpec & { readonly kind: 'calls' };

const OPEN = '<tool_call>';
const CLOSE = '\n</tool_call>';

/** @throws whatever the library throws where it cannot take a grammar */
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

/** How Hermes and Qwen begin a call, up to its arguments. */
function beginOf(name: string): string {
  return `${OPEN}\n{"name": ${JSON.stringify(name)}, "arguments": `;
}

function jsonGrammar(schema: CheckedSchema): string {
  const { root, rules } = schemaRules(schema, 'a');
  return grammar(root, rules);
}

/** One call or more, and nothing else or JSON instead. */
function callsGrammar({ tools, otherwise, single }: Calls): string {
  const rules: string[] = [];
  const calls = tools.map((tool, index) => callRule(tool, `t${index}x`, rules));
  rules.push(`call ::= ${either(calls)}`);
  const several = single ? 'call' : 'call ("\\n" call)*';
  if (typeof otherwise === 'string') return grammar(several, rules);
  const json = schemaRules(otherwise, 'a');
  return grammar(`${json.root} | ${several}`, [...rules, ...json.rules]);
}

/** @returns the call; adds the rules it needs */
function callRule({ name, schema }: CallableTool, prefix: string, rules: string[]): string {
  const values = schemaRules(schema, prefix);
  rules.push(...values.rules);
  return `${literal(beginOf(name))} ${values.root} ${literal(`}${CLOSE}`)}`;
}

function grammar(root: string, rules: readonly string[]): string {
  return [`root ::= ${root}`, ...rules, ...sharedRules()].join('\n');
}
