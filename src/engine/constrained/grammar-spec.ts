import type { ToolCallFormat } from '../../package/manifest.ts';

/** A JSON schema whose every constraint this server can uphold: the result of `checkSchema`. */
export type CheckedSchema = Readonly<Record<string, unknown>>;

export interface CallableTool {
  readonly name: string;
  /** Of its arguments. */
  readonly schema: CheckedSchema;
}

/** What an answer is held to. */
export type GrammarSpec =
  | { readonly kind: 'json'; readonly schema: CheckedSchema }
  | {
      readonly kind: 'calls';
      readonly format: ToolCallFormat;
      readonly tools: readonly CallableTool[];
      /**
       * What there may be instead of calls: nothing (then there is at least one), text (with calls in it or without), or
       * JSON of a schema.
       */
      readonly otherwise: 'nothing' | 'text' | CheckedSchema;
      /** At most one call. */
      readonly single: boolean;
    };

/** The form in which it crosses the engine, which does not read it; equal grammars have equal text. */
export function writeGrammar(spec: GrammarSpec): string {
  return JSON.stringify(spec);
}

/** @param text from `writeGrammar` */
export function readGrammar(text: string): GrammarSpec {
  return JSON.parse(text);
}
