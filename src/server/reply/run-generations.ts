import type { GenerationRequest } from '../../engine/generation.ts';
import type { Quotas } from '../http/access/quotas.ts';
import type { RouteContext } from '../http/route-context.ts';
import { chargeThinking } from '../request/thinking-quota.ts';
import type { RequestObservation } from '../telemetry/request-observation.ts';
import { type ChoiceEvent, mergeChoices } from './choice-events.ts';

export interface GenerationRun {
  /** Id of the reply. */
  readonly id: string;
  /** One engine request for each choice, in the order of the choices. */
  readonly requests: readonly GenerationRequest[];
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
  readonly observation: Pick<RequestObservation, 'watch'>;
  /** Quotas of the caller; null where the caller has none. */
  readonly quotas: Pick<Quotas, 'spendThinking'> | null;
}

/**
 * Runs the generations of one reply side by side and merges their events. The engine starts when the first event is
 * read. The work stops when the reader stops reading or when `signal` aborts.
 */
export function runGenerations(
  { id, requests, signal, observation, quotas }: GenerationRun,
  { model, running }: Pick<RouteContext, 'model' | 'running'>,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  const stop = new AbortController();
  const generations = requests.map((request) => {
    running.add(id, request.id);
    const events = model.engine.generate(request, AbortSignal.any([signal, stop.signal]));
    return observation.watch(chargeThinking(events, quotas));
  });
  stop.signal.addEventListener('abort', () => running.delete(id), { once: true });
  return mergeChoices(generations, stop);
}
