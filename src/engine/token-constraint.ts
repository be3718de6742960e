/** Constraint on the tokens of an answer. The engine sees allowed tokens, never their text. */
export interface TokenConstraint {
  /**
   * One bit per token: token i is bit i % 32 of word i / 32, set where the token may come next. Null while the mask is
   * not known yet.
   * @throws Error when the constraint cannot be upheld
   */
  readonly mask: Int32Array | null;
  /** Resolves when `mask` is known or throws; never rejects. */
  ready(): Promise<void>;
  /** Takes a token that the mask allows. The next mask is not known at once. */
  accept(tokenId: number): void;
  /** Goes back to the beginning of the answer. */
  reset(): void;
  /** Frees the constraint. */
  close(): void;
}

export interface ConstraintRequest {
  /** Grammar from the server, opaque to the engine. */
  readonly grammar: string;
  /** Tokens that end the answer; allowed only where it is complete. */
  readonly endTokens: readonly number[];
}

export type OpenConstraint = (request: ConstraintRequest) => TokenConstraint;

/** Most milliseconds that a step waits for a constraint. */
const PATIENCE_MS = 25;

/** Waits a short time until the masks of all these constraints are known. */
export async function waitForConstraints(
  constraints: readonly (TokenConstraint | null)[],
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([Promise.all(constraints.map((constraint) => constraint?.ready())), patience]);
  clearTimeout(timer);
}
