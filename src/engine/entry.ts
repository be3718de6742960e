import type { Protocol } from '../package/protocol.ts';
import type { GenerationRequest } from './generation.ts';
import { Sequence } from './sequence.ts';
import { SequenceClock } from './sequence-clock.ts';
import { SequenceEvents } from './sequence-events.ts';
import { ThinkingController } from './thinking/controller.ts';
import type { ProtocolTokens } from './thinking/protocol-tokens.ts';
import {
  isReady,
  type OpenConstraint,
  type TokenConstraint,
  waitForConstraints,
} from './token-constraint.ts';

/** What every sequence of an engine shares. */
export interface SequenceEnvironment {
  readonly protocol: Protocol;
  readonly tokens: ProtocolTokens;
  /** Bytes of a token's text; empty for special tokens. */
  readonly tokenBytes: (tokenId: number) => Uint8Array;
  readonly eos: ReadonlySet<number>;
  readonly imageTokenId: number | null;
  /** Opens the constraint of a request's answer. */
  readonly openConstraint: OpenConstraint;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** A sequence with what accompanies it through the engine. */
export interface Entry {
  readonly sequence: Sequence;
  readonly events: SequenceEvents;
  readonly clock: SequenceClock;
  readonly abort: AbortController;
}

export function createEntry(request: GenerationRequest, options: SequenceEnvironment): Entry {
  const { protocol, tokens, tokenBytes, imageTokenId, now, eos } = options;
  const { thinking, maxTokens, minTokens, stop } = request;
  const controller = new ThinkingController({
    protocol,
    tokens,
    request: thinking,
    maxTokens,
    stop,
    ending: { endOfTurn: eos, stopTokenIds: new Set(request.stopTokenIds), minTokens },
    greedy: request.sampling.temperature === 0,
    tokenBytes,
  });
  const clock = new SequenceClock(now);
  const constraint = constraintOf(request, options);
  return {
    sequence: new Sequence(request, controller, { imageTokenId, constraint }),
    events: new SequenceEvents(controller, clock),
    clock,
    abort: new AbortController(),
  };
}

/** Whether it is known what may be written next. */
export function hasMask({ sequence }: Entry): boolean {
  return isReady(sequence.guard?.constraint ?? null);
}

/**
 * Waits a little for what may be written next, in the sequences that run or, where none does, in those that wait. One of
 * which it is not known in time goes without a token, or without a slot, in the step at hand.
 */
export async function waitForMasks({
  running,
  waiting,
}: {
  readonly running: readonly Entry[];
  readonly waiting: readonly Entry[];
}): Promise<void> {
  const entries = running.length > 0 ? running : waiting;
  await waitForConstraints(entries.map(({ sequence: { guard } }) => guard?.constraint ?? null));
}

function constraintOf(
  { grammar, stopTokenIds }: GenerationRequest,
  { openConstraint, eos, tokenBytes }: SequenceEnvironment,
): TokenConstraint | null {
  if (grammar === null) return null;
  // One that has text is what the grammar takes it for: it ends the answer wherever it may stand.
  const controls = stopTokenIds.filter((id) => tokenBytes(id).length === 0);
  return openConstraint({ grammar, endTokens: [...eos, ...controls] });
}
