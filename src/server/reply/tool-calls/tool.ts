/** A function the model may call. */
export interface Tool {
  readonly name: string;
  readonly description?: string | undefined;
  /** JSON schema of the arguments; none takes any object. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
}

/** A tool of a request, and the fields that errors about it name. */
export interface RequestedTool extends Tool {
  /** The arguments must follow the schema in full. */
  readonly strict: boolean;
  readonly fields: { readonly name: string; readonly parameters: string };
}
