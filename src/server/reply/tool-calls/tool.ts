/** A function the model may call. */
export interface Tool {
  readonly name: string;
  readonly description?: string | undefined;
  /** JSON schema of the arguments; none takes any object. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
}

export interface RequestedTool extends Tool {
  /** The arguments are held to the schema in full. */
  readonly strict: boolean;
  /** Its place in the request. */
  readonly index: number;
}
