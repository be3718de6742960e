import type { Protocol, ThinkingMode } from '../../package/protocol.ts';
import type { ProbeTokens } from './probe.ts';
import { protocolStrings } from './protocol-grammar.ts';

/** A protocol's strings as token ids of the model's tokenizer. */
export interface ProtocolTokens {
  /** null when no tokens show the decision. */
  readonly probe: ProbeTokens | null;
  /** Ids of the exit text, and of the close tag alone. */
  readonly exit: readonly number[];
  readonly close: readonly number[];
  /** Ids of the extension text; empty when there is none. */
  readonly extension: readonly number[];
  /** Ids that end a preamble that takes too long, with a direct answer; empty when there are none. */
  readonly preambleExit: readonly number[];
  /** Tokens with which a mode's block may not begin. */
  readonly banFirst: Readonly<Partial<Record<ThinkingMode, readonly number[]>>>;
}

/** Encodes a protocol's strings. @param encode text to ids; recognises added tokens */
export function protocolTokens(
  protocol: Protocol,
  encode: (text: string) => readonly number[],
): ProtocolTokens {
  const { tags, budget, modes } = protocol;
  const firstIds = (texts: readonly string[] = []): number[] =>
    texts.flatMap((text) => encode(text).slice(0, 1));
  const banned = (['auto', 'think', 'fast'] as const).flatMap((mode) => {
    const ids = firstIds(modes[mode]?.banFirst);
    return ids.length === 0 ? [] : [[mode, ids] as const];
  });
  return {
    probe: probeTokens(protocol, encode),
    exit: encode(budget.exit),
    close: encode(tags.close),
    extension: budget.extension === undefined ? [] : encode(budget.extension),
    preambleExit: encode(preambleExit(protocol)),
    banFirst: Object.fromEntries(banned),
  };
}

/** Whether the decision can be measured and biased: known tokens make it at a known point. */
export function hasDecisionPoint({ decide, modes }: Pick<Protocol, 'decide' | 'modes'>): boolean {
  return modes.auto !== undefined && 'probe' in decide && decide.probe !== undefined;
}

/** Ids among `specialIds` that write no text. The protocol's own strings are never silent. */
export function silentIds(
  protocol: Protocol,
  tokenizer: {
    readonly encode: (text: string) => readonly number[];
    readonly specialIds: ReadonlySet<number>;
  },
  eos: readonly number[],
): number[] {
  const seen = new Set(protocolStrings(protocol).flatMap((text) => tokenizer.encode(text)));
  return [...tokenizer.specialIds].filter((id) => !seen.has(id) || eos.includes(id));
}

function probeTokens(
  { decide }: Protocol,
  encode: (text: string) => readonly number[],
): ProbeTokens | null {
  if (!('probe' in decide) || decide.probe === undefined) return null;
  const { think, fast } = decide.probe;
  const sequences = (texts: readonly string[]): (readonly number[])[] =>
    texts.map((text) => encode(text));
  return { think: think === undefined ? null : sequences(think), fast: sequences(fast) };
}

function preambleExit({ preamble, decide }: Protocol): string {
  if (preamble === undefined) return '';
  if (decide.by === 'verdict') {
    const words = Object.keys(decide.verdicts).find((key) => decide.verdicts[key] === 'fast');
    return ` ${words ?? ''}${preamble.close}`;
  }
  if (decide.by !== 'control') return preamble.close;
  const marker = Object.keys(decide.markers).find((key) => decide.markers[key] === 'fast');
  return `${preamble.close}\n\n${marker ?? ''}\n`;
}
