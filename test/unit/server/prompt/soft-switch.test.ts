import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BUILTIN_PROTOCOLS } from '../../../../src/package/protocols/builtin-protocols.ts';
import type { ChatMessage } from '../../../../src/server/prompt/messages.ts';
import { softSwitchIn } from '../../../../src/server/prompt/modes.ts';
import { idsOf } from '../../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf, writes } from '../../../helpers/engine-bench.ts';

const { Qwen3, 'R-4B': R4B } = BUILTIN_PROTOCOLS;

function said(...texts: (string | [ChatMessage['role'], string])[]): ChatMessage[] {
  return texts.map((text) =>
    typeof text === 'string'
      ? { role: 'user', content: text }
      : { role: text[0], content: text[1] },
  );
}

describe('Words in a message that a model follows', () => {
  assert.ok(Qwen3 && R4B);
  for (const [messages, expected] of [
    [said('What? /no_think'), 'fast'],
    [said('What? /think'), 'think'],
    [said('/no_think What? /think'), 'think'],
    [said(['system', 'Be brief. /no_think'], 'What?'), 'fast'],
    [said(['system', '/no_think'], 'Well /think', 'And now?'), 'think'],
    [said('What?', ['assistant', '/no_think'], 'And now?'), null],
    [said('What?'), null],
  ] as const) {
    it(`${JSON.stringify(messages.map(({ content }) => content))} ask for ${expected}`, () => {
      assert.equal(softSwitchIn(messages, Qwen3), expected);
    });
  }

  it('are read among the parts of a message too, and not where the family knows none', () => {
    const content = [
      { type: 'text', text: 'Look. /no_think' },
      { type: 'image', source: 'data:', detail: 'auto' },
    ] as const;
    assert.equal(softSwitchIn([{ role: 'user', content }], Qwen3), 'fast');
    assert.equal(softSwitchIn([{ role: 'user', content }], R4B), null);
  });

  it('are named as the source where the model did what they ask, and only there', async () => {
    const thinking = { requested: 'think', source: 'policy', start: 'outside' } as const;
    const direct = idsOf('<think>\n\n</think>\n\nNo.');
    for (const [softSwitch, source] of [
      ['fast', 'prompt'],
      ['think', 'model'],
      [null, 'model'],
    ] as const) {
      const bench = new EngineBench();
      const request = requestOf(promptOf(1, 4), {
        thinking: { ...thinking, budget: null, answerFloor: 0, softSwitch },
      });
      await bench.submit({ request, script: writes(direct) });
      const decision = bench.of('request 1').find((event) => event.type === 'decision');
      assert.deepEqual([decision?.mode, decision?.source], ['fast', source]);
    }
  });
});
