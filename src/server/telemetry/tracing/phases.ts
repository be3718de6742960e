import type { RequestLogEntry } from '../request-log.ts';

export interface Phase {
  readonly name: 'prepare' | 'queue' | 'image' | 'prefill' | 'decision' | 'think' | 'answer';
  /** Milliseconds from the request's arrival. */
  readonly from: number;
  readonly to: number;
}

/**
 * What a request spent its time on, one thing after the other; of several choices, the first. Queue, images and
 * prefill are sums of what the engine spent on them and stand end to end, though their pieces lie between the steps of
 * other requests. The decision is what is left until the first token. Phases that did not come to be are left out.
 */
export function phasesOf({ ms, decision }: Pick<RequestLogEntry, 'ms' | 'decision'>): Phase[] {
  const phases: Phase[] = [];
  let at = 0;
  const next = (name: Phase['name'], to: number): void => {
    const end = Math.min(Math.max(to, at), ms.total);
    if (end > at) phases.push({ name, from: at, to: end });
    at = end;
  };
  for (const name of ['prepare', 'queue', 'image', 'prefill'] as const) {
    next(name, at + (ms[name] ?? 0));
  }
  if (ms.first_token === null) return phases;
  next('decision', ms.first_token);
  if (decision === 'think') next('think', ms.first_answer ?? ms.total);
  next('answer', ms.total);
  return phases;
}
