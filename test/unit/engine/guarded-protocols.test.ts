import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { protocolTokens } from '../../../src/engine/thinking/protocol-tokens.ts';
import type { Protocol, ThinkingMode } from '../../../src/package/protocol.ts';
import { BUILTIN_PROTOCOLS } from '../../../src/package/protocols/builtin-protocols.ts';
import { EOS } from '../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf } from '../../helpers/engine-bench.ts';
import { GrowingVocabulary, type Split, writeReply } from '../../helpers/protocol-corpus.ts';
import { Random } from '../../helpers/random.ts';
import { TextConstraint } from '../../helpers/text-constraint.ts';

const WORDING = { preamble: 'weighing', reasoning: 'so < it {"goes"}', answer: 'Nonsense.' };
const ALLOWED = ['{"a": 1}', '<tool_call>', '[]'];

interface Case {
  readonly protocol: Protocol;
  readonly mode: ThinkingMode;
  readonly behaviour: 'think' | 'fast';
  readonly split: Split;
}

async function play(of: Case, isGuarded: boolean) {
  const { protocol, mode, behaviour, split } = of;
  const reply = writeReply(protocol, mode, behaviour, WORDING);
  const vocabulary = new GrowingVocabulary(protocol, split, new Random(3));
  const tokens = protocolTokens(protocol, (text) => vocabulary.encode(text));
  const plan = vocabulary.encode(reply.text);
  const follows = (generated: readonly number[]): boolean =>
    generated.every((id, index) => plan[index] === id);
  const bench = new EngineBench({
    protocol,
    tokens,
    vocabulary,
    slotCapacity: 2048,
    openConstraint: () => new TextConstraint(ALLOWED, { vocabulary }),
  });
  const { start } = reply;
  const request = requestOf(promptOf(1, 5), {
    maxTokens: 1000,
    grammar: isGuarded ? 'g' : null,
    thinking: { requested: mode, source: 'request', start, budget: null, answerFloor: 0 },
  });
  const finish = await bench.submit({
    request,
    script: (generated) => (follows(generated) ? (plan[generated.length] ?? EOS) : EOS),
  });
  const text = (section: 'answer' | 'reasoning' | 'preamble'): string =>
    bench.text(request.id, section);
  return {
    finish,
    answer: text('answer').trim(),
    reasoning: text('reasoning'),
    preamble: text('preamble'),
    decision: bench.of(request.id).find(({ type }) => type === 'decision'),
  };
}

/** Every way of every family to think or not, its tags in one token each or byte by byte. */
function casesOf(protocol: Protocol): Case[] {
  const modes = (['auto', 'think', 'fast'] as const).filter((mode) => protocol.modes[mode]);
  return modes.flatMap((mode) =>
    (mode === 'auto' ? (['think', 'fast'] as const) : [mode]).flatMap((behaviour) =>
      (['whole', 'bytes'] as const).map((split) => ({ protocol, mode, behaviour, split })),
    ),
  );
}

describe('an answer under a constraint', () => {
  for (const protocol of Object.values(BUILTIN_PROTOCOLS)) {
    it(`follows the thinking of ${protocol.name}, and changes nothing of it`, async () => {
      for (const one of casesOf(protocol)) {
        const what = `${one.mode}, ${one.behaviour}, ${one.split}`;
        const free = await play(one, false);
        const held = await play(one, true);
        assert.ok(ALLOWED.includes(held.answer), `${what}: ${held.answer}`);
        assert.equal(held.finish.reason, 'stop', what);
        assert.deepEqual(
          [held.reasoning, held.preamble, held.decision],
          [free.reasoning, free.preamble, free.decision],
          what,
        );
      }
    });
  }
});
