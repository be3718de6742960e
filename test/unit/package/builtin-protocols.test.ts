import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { protocolSchema } from '../../../src/package/protocol.ts';
import { BUILTIN_PROTOCOLS } from '../../../src/package/protocols/builtin-protocols.ts';

describe('the built-in protocols', () => {
  for (const [name, protocol] of Object.entries(BUILTIN_PROTOCOLS)) {
    it(`${name} is a valid row under its own name`, () => {
      assert.deepEqual(protocolSchema.parse(protocol), protocol);
      assert.equal(protocol.name, name);
      assert.ok(protocol.modes[protocol.defaultMode], 'the default mode exists');
      assert.ok(protocol.budget.exit.includes(protocol.tags.close), 'the exit closes the block');
      assert.equal(
        protocol.evidence === 'seen',
        protocol.unverified === undefined,
        'what was not seen is named, and only that',
      );
    });
  }

  it('are the 22 systems, each once', () => {
    const names =
      'R-4B TON AutoThink AdaptThink Thinkless LHRM KAT-V1 Keye-VL Qwen3 DeepSeek-V3.1 GLM-4.5V MiMo-VL-2508 MiniCPM-V-4.5 InternVL3.5 Hunyuan-A13B gpt-oss Seed-OSS MiniMax-M3 DriveAgent-R1 AdaptR1 Adaptive-Deep-Reasoning TRAAC';
    assert.deepEqual(Object.keys(BUILTIN_PROTOCOLS).sort(), names.split(' ').sort());
  });

  it('cover the four ways to signal a mode', () => {
    const ways = new Set(Object.values(BUILTIN_PROTOCOLS).map(({ decide }) => decide.by));
    assert.deepEqual([...ways].sort(), ['control', 'empty-block', 'prompt', 'verdict']);
  });

  it("R-4B's modes end the prompt as its paper writes them", () => {
    const modes = BUILTIN_PROTOCOLS['R-4B']?.modes;
    assert.equal(modes?.auto?.prefill, '<think>');
    assert.equal(modes?.think?.prefill, '<think>\n');
    assert.equal(modes?.fast?.prefill, '<think>\n\n</think>');
    assert.equal(modes?.fast?.templateVariables?.['thinking_mode'], 'short');
  });
});
