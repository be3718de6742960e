/** What may be written next, as somebody else knows it: the engine sees allowed tokens, never what they spell. */
export interface TokenConstraint {
  /**
   * A bit per token, token i being bit i % 32 of word i / 32; set where the token may come next. Null while that is not
   * known yet.
   * @throws Error when the constraint cannot be upheld
   */
  readonly mask: Int32Array | null;
  /** Settles as soon as `mask` is known, or is known to fail; never rejects. */
  ready(): Promise<void>;
  /** Takes a token that the mask allows; the next mask is then not known at once. */
  accept(tokenId: number): void;
  /** Back to the beginning. */
  reset(): void;
  /** Nothing more will be asked. */
  close(): void;
}

export interface ConstraintRequest {
  /** Opaque to the engine: what the server side made of the request. */
  readonly grammar: string;
  /** Tokens that end the answer: allowed only where it is complete. */
  readonly endTokens: readonly number[];
}

export type OpenConstraint = (request: ConstraintRequest) => TokenConstraint;

/** Most milliseconds that the others of a step wait for one constraint. */
const PATIENCE_MS = 25;

/** Waits a little for the constraints that are not ready, all together. */
export async function waitForConstraints(
  constraints: readonly (TokenConstraint | null)[],
): Promise<void> {
  const pending = constraints.filter((constraint) => !isReady(constraint));
  if (pending.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([Promise.all(pending.map((constraint) => constraint?.ready())), patience]);
  clearTimeout(timer);
}

/** One that failed is ready: whoever reads its mask learns of it. */
export function isReady(constraint: TokenConstraint | null): boolean {
  try {
    return constraint === null || constraint.mask !== null;
  } catch {
    return true;
  }
}
