import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BUILTIN_PROTOCOLS } from '../../../../src/package/protocols/builtin-protocols.ts';
import { TextDisplay } from '../../../../src/server/reply/text-display.ts';
import { HermesReader } from '../../../../src/server/reply/tool-calls/hermes-reader.ts';
import { type JoinedParts, joinParts } from '../../../../src/server/reply/whole-reply.ts';
import { behaviours, type Played, pairs, playReply } from '../../../helpers/corpus-player.ts';
import { CorpusSample } from '../../../helpers/corpus-sample.ts';
import type { Split, Wording } from '../../../helpers/protocol-corpus.ts';
import { Random } from '../../../helpers/random.ts';

const SPLITS: readonly Split[] = ['whole', 'bytes', 'random'];
const BUDGETS = [1, 7, 64];
const LOOK_ALIKE = '<tool_call>\n{"name": "look", "arguments": {"at": "αβ"}}\n</tool_call>';
const ARGUMENTS = '{"at": "там < </th", "n": 2}';
const CALL = `<tool_call>\n{"name": "look", "arguments": ${ARGUMENTS}}\n</tool_call>`;
const JSON_ANSWERS = ['{"ответ": 42}', '[]'];

const sample = new CorpusSample(12);
const { random } = sample;

/** The reply as a client gets it, piece by piece, with one function on offer. */
function shown({ bench }: Played): JoinedParts {
  const { tags } = bench.protocol;
  const reader = new HermesReader({ names: new Set(['look']), newId: () => 'call' });
  const display = new TextDisplay({ display: 'separate', tags, answer: reader });
  const parts = bench
    .of('request 1')
    .flatMap((event) => (event.type === 'decision' ? [] : display.show(event.pieces)));
  return joinParts([...parts, ...display.end()]);
}

function checkCall(played: Played): JoinedParts {
  const reply = shown(played);
  assert.equal(reply.content.trim(), 'Да.', played.what);
  assert.deepEqual(
    reply.toolCalls,
    [{ id: 'call', name: 'look', arguments: ARGUMENTS }],
    played.what,
  );
  return reply;
}

for (const protocol of Object.values(BUILTIN_PROTOCOLS)) {
  describe(`The corpus, ${protocol.name}`, () => {
    const calls: Wording = {
      preamble: 'ժամ < ժամ',
      reasoning: `αβγ ${LOOK_ALIKE} δ`,
      answer: `Да. ${CALL}`,
    };
    const thinking = [...behaviours(protocol)].filter(([, behaviour]) => behaviour === 'think');

    it('a call in the answer is one, and what looks like one in the thinking is thinking', async () => {
      for (const [[mode, behaviour], split] of sample.of(pairs(behaviours(protocol), SPLITS))) {
        const played = await playReply(
          { protocol, mode, behaviour, split, wording: calls },
          random,
        );
        assert.equal(checkCall(played).reasoning, played.reply.reasoning, played.what);
      }
    });

    it('a call follows thinking that its budget closed', async () => {
      const wording = { ...calls, reasoning: `γ ${LOOK_ALIKE.repeat(3)} `.repeat(2) };
      const cases = sample.of(pairs(thinking, [...BUDGETS.entries()]));
      for (const [[mode, behaviour], [index, budget]] of cases) {
        const split = SPLITS[index] ?? 'bytes';
        checkCall(await playReply({ protocol, mode, behaviour, split, wording, budget }, random));
      }
    });

    it('a stop string ends no call that the thinking only looks like', async () => {
      for (const [mode, behaviour] of sample.of([...behaviours(protocol)])) {
        const stop = ['</tool_call>'];
        const of = { protocol, mode, behaviour, split: 'random', wording: calls, stop } as const;
        const played = await playReply(of, random);
        assert.equal(played.finish.stopString, '</tool_call>', played.what);
        assert.equal(shown(played).reasoning, played.reply.reasoning, played.what);
      }
    });

    it('an answer under a JSON grammar is JSON after any budget, and the budget is exact', async () => {
      const wording = { ...calls, reasoning: 'αβ {"γ": 1} '.repeat(40) };
      const cases = sample.of(pairs(thinking, [...BUDGETS.entries()]));
      for (const [[mode, behaviour], [index, budget]] of cases) {
        const split = SPLITS[index % SPLITS.length] ?? 'bytes';
        const of = { protocol, mode, behaviour, split, wording, budget } as const;
        const held = await playReply({ ...of, allowed: JSON_ANSWERS }, new Random(budget));
        const free = await playReply(of, new Random(budget));
        const { bench, finish, what } = held;
        const answer = bench.text('request 1', 'answer').trim();
        assert.ok(JSON_ANSWERS.includes(answer), `${what}: ${answer}`);
        const thoughtOf = (played: Played) => [
          played.bench.of('request 1').find((event) => event.type === 'decision'),
          played.bench.text('request 1', 'reasoning'),
          played.finish.thinkingEnd,
          // Where a tag is several tokens, one that the answer is not allowed to be begun with has to be gone on with
          // as a tag, token by token, and all of that is frame.
          split === 'whole' && played.finish.usage.reasoningTokens,
        ];
        assert.deepEqual(thoughtOf(held), thoughtOf(free), what);
        assert.equal(finish.reason, 'stop', what);
      }
    });
  });
}
