import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseProtocol } from '../../../src/converter/choose-protocol.ts';

describe('The thinking protocol of a checkpoint', () => {
  it('is told by the words of its chat template', () => {
    const cases = [
      ['{% if enable_thinking is false %}<think>\n\n</think>{% endif %}', 'Qwen3'],
      ["{% if thinking_mode == 'short' %}<think>\n\n</think>{% endif %}", 'R-4B'],
      ['{{ "<judge>" }}<think_on><think_off><think>', 'KAT-V1'],
      ['{% if thinking_mode == "disabled" %}</mm:think><mm:think>{% endif %}', 'MiniMax-M3'],
    ] as const;
    for (const [chatTemplate, name] of cases) {
      const { protocol, notes } = chooseProtocol(undefined, {
        architecture: 'qwen3',
        chatTemplate,
      });
      assert.equal(protocol.name, name);
      assert.equal(notes.length, name === 'Qwen3' ? 0 : 1);
      assert.ok(notes.every((note) => note.includes(`the thinking protocol is ${name}`)));
    }
  });

  it("is the architecture's default if the template says nothing, with a note in the package", () => {
    for (const [architecture, name] of [
      ['r4b', 'R-4B'],
      ['qwen3', 'Qwen3'],
    ] as const) {
      const { protocol, notes } = chooseProtocol(undefined, {
        architecture,
        chatTemplate: 'plain',
      });
      assert.equal(protocol.name, name);
      assert.match(notes.join(), new RegExp(`says nothing of thinking modes; .* ${name} `));
    }
  });

  it('is the requested one, even if the files say otherwise', () => {
    const config = { architecture: 'qwen3', chatTemplate: 'enable_thinking' } as const;
    const { protocol, notes } = chooseProtocol('TRAAC', config);
    assert.deepEqual([protocol.name, notes], ['TRAAC', []]);
    assert.throws(
      () => chooseProtocol('toString', config),
      /no thinking protocol toString; known are R-4B, .*Keye-VL/,
    );
  });
});
