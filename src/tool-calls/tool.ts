/** A function the model may call. */
export interface Tool {
  readonly name: string;
  readonly description?: string | undefined;
  /** JSON schema of the arguments; none takes any object. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
}
