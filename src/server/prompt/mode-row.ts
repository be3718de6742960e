import type { ModeRow, Protocol, ThinkingMode } from '../../package/protocol.ts';

/** Degrees of thinking a protocol may know by name. */
export type EffortRow = keyof NonNullable<Protocol['efforts']>;

/** A mode of a protocol; thinking of a named degree is thinking with the degree's changes. */
export function modeRowOf(
  protocol: Pick<Protocol, 'modes' | 'efforts'>,
  mode: ThinkingMode,
  effort: EffortRow | null = null,
): ModeRow | undefined {
  const row = protocol.modes[mode];
  const changes = effort === null || mode !== 'think' ? undefined : protocol.efforts?.[effort];
  return row && { ...row, ...changes };
}
