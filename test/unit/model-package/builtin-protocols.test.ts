import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { BUILTIN_PROTOCOLS } from '../../../src/model-package/builtin-protocols.ts';
import { protocolSchema } from '../../../src/model-package/protocol.ts';

describe('the built-in protocols', () => {
  for (const [name, protocol] of Object.entries(BUILTIN_PROTOCOLS)) {
    it(`${name} is a valid row under its own name`, () => {
      assert.deepEqual(protocolSchema.parse(protocol), protocol);
      assert.equal(protocol.name, name);
      assert.ok(protocol.modes[protocol.defaultMode], 'the default mode exists');
      assert.ok(protocol.budget.exit.includes(protocol.tags.close), 'the exit closes the block');
    });
  }

  it("R-4B's modes end the prompt as its paper writes them", () => {
    const modes = BUILTIN_PROTOCOLS['R-4B']?.modes;
    assert.equal(modes?.auto?.prefill, '<think>');
    assert.equal(modes?.think?.prefill, '<think>\n');
    assert.equal(modes?.fast?.prefill, '<think>\n\n</think>');
    assert.equal(modes?.fast?.templateVariables?.['thinking_mode'], 'short');
  });
});
