import type { Result } from '../run/result-store.ts';

type Position = NonNullable<Result['logprobs']>[number];

/** Distance between two models' most probable tokens after the same text. */
export interface LogprobDistance {
  /** Positions compared: up to and including the first at which the replies differ. */
  readonly numPositions: number;
  /** Σ |Δ log p| over tokens that both list, and their number. */
  readonly sumAbsolute: number;
  readonly numTokens: number;
  readonly largest: number;
  /** Σ KL(reference ‖ other) in nats, with all unlisted tokens as one: a lower bound. */
  readonly sumDivergence: number;
  /** Positions with the same most probable token. */
  readonly sameFirst: number;
  /** Whether the replies are equal, token by token. */
  readonly isIdentical: boolean;
}

/**
 * Compares two replies position by position while their preceding text is equal. Forced tokens have no probability and
 * are skipped.
 */
export function logprobDistance(reference: Result, other: Result): LogprobDistance {
  const [ours, theirs] = [reference.logprobs ?? [], other.logprobs ?? []];
  const parting = ours.findIndex(({ token }, index) => token !== theirs[index]?.token);
  const isIdentical = parting < 0 && ours.length === theirs.length;
  const end = parting < 0 ? ours.length : parting + 1;
  const pairs = ours.slice(0, end).flatMap((position, index): (readonly [Position, Position])[] => {
    const match = theirs[index];
    const isMeasured = position.top.length > 0 && match !== undefined && match.top.length > 0;
    return isMeasured && position.logprob !== null ? [[position, match]] : [];
  });
  const compared = pairs.map(([a, b]) => comparePosition(a, b));
  return {
    numPositions: compared.length,
    sumAbsolute: sum(compared.map(({ differences }) => sum(differences))),
    numTokens: sum(compared.map(({ differences }) => differences.length)),
    largest: Math.max(0, ...compared.flatMap(({ differences }) => differences)),
    sumDivergence: sum(compared.map(({ divergence }) => divergence)),
    sameFirst: pairs.filter(([a, b]) => a.top[0]?.[0] === b.top[0]?.[0]).length,
    isIdentical,
  };
}

/** Below this, rounding noise dominates a token's log-probability. */
const LEAST_LOGPROB = Math.log(1e-6);

function comparePosition(
  reference: Position,
  other: Position,
): { differences: number[]; divergence: number } {
  const theirs = new Map(other.top);
  const shared = reference.top.flatMap(([token, p]): (readonly [number, number])[] => {
    const q = theirs.get(token) ?? null;
    return p === null || q === null ? [] : [[p, q]];
  });
  const differences = shared.filter(([p]) => p >= LEAST_LOGPROB).map(([p, q]) => Math.abs(p - q));
  const [restP, restQ] = [0, 1].map((side) => {
    const listed = sum(shared.map((pair) => Math.exp(pair[side] ?? Number.NEGATIVE_INFINITY)));
    return Math.max(0, 1 - listed);
  });
  const rest = restP && restQ ? restP * Math.log(restP / restQ) : 0;
  const divergence = sum(shared.map(([p, q]) => Math.exp(p) * (p - q))) + rest;
  return { differences, divergence: Math.max(0, divergence) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
