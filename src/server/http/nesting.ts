import type { FastifyInstance } from 'fastify';
import { ApiError } from './errors.ts';

/** No field has use for more; what is nested deeper than the stack would fail wherever it is walked through. */
export const MAX_NESTING = 64;

/** Refuses bodies nested too deep before anything walks through them. */
export function refuseDeepNesting(app: Pick<FastifyInstance, 'addHook'>): void {
  app.addHook('preValidation', async ({ body }) => {
    if (!isDeeperThan(body, MAX_NESTING)) return;
    throw new ApiError(
      'invalid_request',
      `The body is nested deeper than ${MAX_NESTING} levels, the most that is allowed.`,
    );
  });
}

/** Level by level, so that no depth overflows the stack. */
export function isDeeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= limit; depth += 1) {
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? Object.values(item) : [],
    );
    if (level.length === 0) return false;
  }
  return true;
}
