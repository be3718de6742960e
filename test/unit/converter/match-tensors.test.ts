import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openCheckpointWeights } from '../../../src/converter/checkpoint/checkpoint-weights.ts';
import {
  type ModelTensors,
  matchTensors,
} from '../../../src/converter/checkpoint/match-tensors.ts';
import { readModelConfig } from '../../../src/converter/config/model-config.ts';
import {
  type RandomCheckpointOptions,
  writeRandomCheckpoint,
} from '../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

async function match(test: TestContext, options: RandomCheckpointOptions): Promise<ModelTensors> {
  const { dir } = writeRandomCheckpoint(join(scratchDir(test), 'in'), options);
  const weights = await openCheckpointWeights(dir);
  test.after(() => weights.close());
  return matchTensors(await readModelConfig(dir), weights.tensors);
}

describe("a checkpoint's tensors", () => {
  for (const naming of ['new', 'old'] as const) {
    it(`are found under the ${naming} names`, async (test) => {
      const tensors = await match(test, { vision: {}, naming, text: { tied: false } });
      assert.deepEqual(tensors.get('text.layers.1.self_attn.k_norm.weight').shape, [16]);
      assert.deepEqual(tensors.get('head.weight').shape, [288, 64]);
      assert.deepEqual(tensors.get('projector.linear_1.bias').shape, [64]);
      assert.deepEqual(tensors.get('newline').shape, [64]);
      assert.equal(tensors.tied, false);
    });
  }

  it('are counted whole, unused ones included and noted', async (test) => {
    let stored = 0;
    const tensors = await match(test, {
      vision: {},
      edit: (draft) => {
        stored = [...draft.tensors.values()].reduce((sum, { values }) => sum + values.length, 0);
        const name = 'model.language_model.rotary_emb.inv_freq';
        draft.tensors.set(name, { name, shape: [8], values: new Float32Array(8) });
      },
    });
    assert.equal(tensors.numParameters, stored);
    assert.match(tensors.notes.join(), /2 tensors are not used: .*before the post layer norm/);
  });

  it('that are missing, unknown or misshapen are listed in one error, with both shapes', async (test) => {
    const broken = match(test, {
      text: { tied: false },
      edit: ({ tensors }) => {
        tensors.delete('model.layers.1.mlp.up_proj.weight');
        tensors.delete('lm_head.weight');
        const extra = (name: string, shape: number[]): void => {
          const size = shape.reduce((a, b) => a * b, 1);
          tensors.set(name, { name, shape, values: new Float32Array(size) });
        };
        extra('model.layers.0.self_attn.q_proj.bias', [64]);
        extra('visual.patch', [2, 2]);
        extra('model.norm.weight', [63]);
      },
    });
    await assert.rejects(broken, (error: Error) => {
      assert.equal(error.name, 'ConvertError');
      assert.deepEqual(error.message.split('\n  ').slice(1).sort(), [
        'extra model.layers.0.self_attn.q_proj.bias [64]: expected no such tensor',
        'extra visual.patch [2, 2]: expected no such tensor',
        'misshapen model.norm.weight: expected [64], found [63]',
        'missing lm_head.weight [288, 64]',
        'missing model.layers.1.mlp.up_proj.weight [96, 64]',
      ]);
      return true;
    });
  });

  it('are rejected when one appears under both naming schemes', async (test) => {
    const twice = match(test, {
      vision: {},
      edit: ({ tensors }) => {
        const tensor = tensors.get('model.image_newline')!;
        tensors.set('image_newline', { ...tensor, name: 'image_newline' });
      },
    });
    await assert.rejects(twice, /extra image_newline: the same tensor as model\.image_newline/);
  });
});

describe('a head', () => {
  const copyHead =
    (change: number): RandomCheckpointOptions['edit'] =>
    (draft) => {
      const embedding = draft.tensors.get('model.embed_tokens.weight')!;
      const values = embedding.values.slice();
      values[values.length - 1]! += change;
      draft.tensors.set('lm_head.weight', { ...embedding, name: 'lm_head.weight', values });
    };

  it('that equals the embedding bit for bit is tied although the config says otherwise', async (test) => {
    const tensors = await match(test, { text: { tied: false }, edit: copyHead(0)! });
    assert.equal(tensors.tied, true);
    assert.equal(tensors.get('head.weight').name, 'model.embed_tokens.weight');
    assert.match(tensors.notes.join(), /tie_word_embeddings is false, but lm_head\.weight equals/);
  });

  it('that differs in its last value stays apart', async (test) => {
    const tensors = await match(test, { text: { tied: false }, edit: copyHead(1e-3)! });
    assert.equal(tensors.tied, false);
    assert.equal(tensors.get('head.weight').name, 'lm_head.weight');
  });

  it('that repeats a tied embedding is stored once without a note', async (test) => {
    const tensors = await match(test, { edit: copyHead(0)! });
    assert.equal(tensors.tied, true);
    assert.deepEqual(tensors.notes, []);
  });

  it('that differs although the config ties it is rejected', async (test) => {
    await assert.rejects(
      match(test, { edit: copyHead(1e-3)! }),
      /tie_word_embeddings is true, but lm_head\.weight differs from model\.embed_tokens\.weight/,
    );
  });
});
