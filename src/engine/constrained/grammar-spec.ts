import type { ToolCallFormat } from '../../package/manifest.ts';

/** A JSON schema with only constraints that the grammar enforces: the result of `checkSchema`. */
export type CheckedSchema = Readonly<Record<string, unknown>>;

export interface CallableTool {
  readonly name: string;
  /** Schema of the arguments. */
  readonly schema: CheckedSchema;
}

/** Constraint on an answer. */
export type GrammarSpec =
  | { readonly kind: 'json'; readonly schema: CheckedSchema }
  | {
      readonly kind: 'calls';
      readonly format: ToolCallFormat;
      readonly tools: readonly CallableTool[];
      /**
       * Alternative to calls: none (then at least one call is required), text (with or without calls in it), or JSON of a
       * schema.
       */
      readonly otherwise: 'nothing' | 'text' | CheckedSchema;
      /** Allow at most one call. */
      readonly single: boolean;
    };

/** Serializes a grammar for the engine, which passes it on unread. Equal grammars have equal text. */
export function writeGrammar(spec: GrammarSpec): string {
  return JSON.stringify(spec);
}

/** Parses the text that `writeGrammar` wrote. */
export function readGrammar(text: string): GrammarSpec {
  return JSON.parse(text);
}
