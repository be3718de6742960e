import type { FinishEvent } from '../../src/engine/generation.ts';
import { protocolTokens } from '../../src/engine/thinking/protocol-tokens.ts';
import type { DecidedMode, Protocol, ThinkingMode } from '../../src/package/protocol.ts';
import { EOS } from './byte-tokens.ts';
import { EngineBench, promptOf, requestOf } from './engine-bench.ts';
import {
  GrowingVocabulary,
  type Split,
  type Wording,
  type WrittenReply,
  writeReply,
} from './protocol-corpus.ts';
import type { Random } from './random.ts';
import { TextConstraint } from './text-constraint.ts';

export interface CorpusCase {
  readonly protocol: Protocol;
  readonly mode: ThinkingMode;
  readonly behaviour: DecidedMode;
  readonly split: Split;
  readonly wording: Wording;
  readonly budget?: number;
  readonly stop?: readonly string[];
  readonly maxTokens?: number;
  /** Texts the answer is held to. */
  readonly allowed?: readonly string[];
}

/** A reply that was streamed through the engine. */
export interface Played {
  readonly bench: EngineBench;
  readonly finish: FinishEvent;
  readonly reply: WrittenReply;
  readonly vocabulary: GrowingVocabulary;
  readonly what: string;
}

/** Plays what a model of a protocol writes through the real engine, tokenized as the case says. */
export async function playReply(of: CorpusCase, random: Random): Promise<Played> {
  const { protocol, mode, behaviour, split } = of;
  const reply = writeReply(protocol, mode, behaviour, of.wording);
  const vocabulary = new GrowingVocabulary(protocol, split, random);
  const tokens = protocolTokens(protocol, (text) => vocabulary.encode(text));
  const plan = vocabulary.encode(reply.text);
  const afterExit = vocabulary.encode(reply.afterExit);
  const { exit } = tokens;
  const script = (generated: readonly number[]): number => {
    const same = plan.findIndex((id, i) => generated[i] !== id);
    const shared = same < 0 ? plan.length : same;
    if (shared >= generated.length) return plan[generated.length] ?? EOS;
    // The thinking was closed: the exit text stands where the plan was left.
    for (let from = shared; from >= 0; from--) {
      if (!exit.every((id, i) => generated[from + i] === id)) continue;
      return afterExit[generated.length - from - exit.length] ?? EOS;
    }
    return EOS;
  };
  const bench = new EngineBench({
    protocol,
    tokens,
    vocabulary: { size: vocabulary.size, tokenBytes: vocabulary.tokenBytes },
    slotCapacity: 8192,
    ...(of.allowed && {
      openConstraint: () => new TextConstraint(of.allowed ?? [], { vocabulary }),
    }),
  });
  const request = requestOf(promptOf(1, 5), {
    maxTokens: of.maxTokens ?? 6000,
    stop: of.stop ?? [],
    grammar: of.allowed === undefined ? null : 'held',
    thinking: {
      requested: mode,
      source: 'request',
      start: reply.start,
      budget: of.budget ?? null,
      answerFloor: 0,
    },
  });
  const finish = await bench.submit({ request, script });
  const what = `${protocol.name}, ${mode}, ${behaviour}, ${split}, budget ${of.budget}, ${of.stop}`;
  return { bench, finish, reply, vocabulary, what };
}

/** Every mode of a protocol with what its model may do in it. */
export function* behaviours(protocol: Protocol): Generator<[ThinkingMode, DecidedMode]> {
  if (protocol.modes.auto !== undefined)
    yield* [['auto', 'think'] as const, ['auto', 'fast'] as const];
  if (protocol.modes.think !== undefined) yield ['think', 'think'];
  if (protocol.modes.fast !== undefined) yield ['fast', 'fast'];
}

/** Each of one with each of the other. */
export function pairs<A, B>(one: Iterable<A>, other: readonly B[]): [A, B][] {
  return [...one].flatMap((a) => other.map((b): [A, B] => [a, b]));
}
