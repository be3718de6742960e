import type { Metrics } from '../telemetry/metrics.ts';
import type { RequestLog } from '../telemetry/request-log.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import type { RequestTracer } from '../telemetry/request-trace.ts';
import type { ServedModel } from './served-model.ts';
import type { HttpSettings } from './settings.ts';

/** What all routes share. */
export interface RouteContext {
  readonly model: ServedModel;
  readonly settings: HttpSettings;
  readonly running: RunningCompletions;
  readonly metrics: Metrics;
  readonly requestLog: RequestLog;
  readonly tracer: RequestTracer | null;
  /** Decision bias at the present load; 0 without a policy. */
  readonly loadBias: () => number;
  readonly version: string;
  /** Unix time in seconds at which the server started. */
  readonly created: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Observes a request for a generation from its arrival; null on other routes. */
    observation: RequestObservation | null;
  }
}

/** The engine's generations of each running completion, by the id that the client knows. */
export class RunningCompletions {
  readonly #generations = new Map<string, Set<string>>();

  add(completionId: string, generationId: string): void {
    const ids = this.#generations.get(completionId) ?? new Set();
    this.#generations.set(completionId, ids.add(generationId));
  }

  delete(completionId: string): void {
    this.#generations.delete(completionId);
  }

  /** All generations of a completion; an unknown id may be the id of one generation. */
  generationsOf(id: string): readonly string[] {
    return [...(this.#generations.get(id) ?? [id])];
  }
}
