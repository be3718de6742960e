/** One option of a command line. */
export interface OptionRow {
  readonly flags: string;
  /** Variable that sets it where the flag is absent. */
  readonly env?: string;
  readonly description: string;
  readonly default?: string | boolean;
}
