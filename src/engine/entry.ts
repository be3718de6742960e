import type { Sequence } from './sequence.ts';
import type { SequenceClock } from './sequence-clock.ts';
import type { SequenceEvents } from './sequence-events.ts';

/** A sequence with what accompanies it through the engine. */
export interface Entry {
  readonly sequence: Sequence;
  readonly events: SequenceEvents;
  readonly clock: SequenceClock;
  readonly abort: AbortController;
}
