import { strict as assert } from 'node:assert';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { detectContentFormat } from '../../../src/converter/config/chat-template.ts';
import { type ModelConfig, readModelConfig } from '../../../src/converter/config/model-config.ts';
import {
  CHAT_TEMPLATE,
  type CheckpointDraft,
  writeRandomCheckpoint,
} from '../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

type Fields = Record<string, unknown>;

function checkpoint(
  test: TestContext,
  edit?: (draft: CheckpointDraft) => void,
  text = false,
): string {
  const dir = join(scratchDir(test), 'in');
  writeRandomCheckpoint(dir, { vision: text ? null : {}, ...(edit ? { edit } : {}) });
  return dir;
}

function read(
  test: TestContext,
  edit?: (draft: CheckpointDraft) => void,
  text = false,
): Promise<ModelConfig> {
  return readModelConfig(checkpoint(test, edit, text));
}

describe("a checkpoint's config", () => {
  it('is read whole from the files of an R-4B checkpoint', async (test) => {
    const config = await read(test, (draft) => {
      draft.config['max_position_embeddings'] = 256;
      Object.assign(draft.config['text_config'] as Fields, { rope_theta: 5e5, rms_norm_eps: 1e-5 });
      (draft.config['vision_config'] as Fields)['num_hidden_layers'] = 26;
      draft.generation = { eos_token_id: 267, do_sample: true, temperature: 0.7, top_p: 0.9 };
    });
    assert.equal(config.architecture, 'r4b');
    assert.equal(config.text.ropeTheta, 5e5);
    assert.equal(config.text.normEps, 1e-5);
    assert.equal(config.vision?.tower.patchesPerSide, 4);
    assert.equal(config.vision?.tower.gelu, 'tanh');
    assert.equal(config.vision?.tower.projectorGelu, 'exact');
    assert.deepEqual(config.vision?.image.gridPinpoints[1], [30, 60]);
    assert.deepEqual(config.eosTokenIds, [267]);
    // transformers' default for a sampling model that names no top_k.
    assert.deepEqual(config.sampling, {
      temperature: 0.7,
      topP: 0.9,
      topK: 50,
      repetitionPenalty: 1,
    });
    assert.equal(config.chatTemplate, CHAT_TEMPLATE);
    assert.deepEqual(config.notes, []);
  });

  it('of text-only Qwen3 needs no image files', async (test) => {
    const config = await read(test, undefined, true);
    assert.equal(config.architecture, 'qwen3');
    assert.equal(config.vision, null);
    assert.equal(config.sampling.temperature, 0);
  });

  it('may give the rotary base in rope_parameters, as transformers 5 writes it', async (test) => {
    const config = await read(
      test,
      (draft) => {
        delete draft.config['rope_theta'];
        draft.config['rope_parameters'] = { rope_type: 'default', rope_theta: 123 };
      },
      true,
    );
    assert.equal(config.text.ropeTheta, 123);
  });

  const textFaults: [string, Fields, RegExp][] = [
    [
      'rope_scaling',
      { rope_scaling: { rope_type: 'yarn', factor: 4 } },
      /text_config\.rope_scaling is .*yarn.*plain rotary/,
    ],
    [
      'rope_parameters',
      { rope_parameters: { rope_type: 'llama3' } },
      /rope_parameters is .*llama3/,
    ],
    ['a missing rotary base', { rope_theta: undefined }, /neither text_config\.rope_theta nor/],
    [
      'a sliding window',
      { use_sliding_window: true },
      /text_config\.use_sliding_window is true; only false/,
    ],
    [
      'sliding layers',
      { layer_types: ['full_attention', 'sliding_attention'] },
      /layer_types is "sliding_attention"/,
    ],
    ['attention_bias', { attention_bias: true }, /text_config\.attention_bias is true; only false/],
    [
      'another activation',
      { hidden_act: 'relu' },
      /text_config\.hidden_act is "relu"; only "silu"/,
    ],
    [
      'another text model',
      { model_type: 'llama' },
      /text_config\.model_type is "llama"; only "qwen3"/,
    ],
    ['kv heads that do not divide', { num_key_value_heads: 3 }, /num_key_value_heads is 3/],
    [
      'a field of the wrong type',
      { hidden_size: '64' },
      /text_config\.hidden_size: .*expected number/,
    ],
    [
      'a vocabulary smaller than the tokenizer',
      { vocab_size: 100 },
      /ids up to 269, but .* only 100 rows/,
    ],
  ];
  for (const [what, fields, message] of textFaults) {
    it(`with ${what} is rejected by field and value`, async (test) => {
      const broken = read(test, (draft) => {
        Object.assign(draft.config['text_config'] as Fields, fields);
      });
      await assert.rejects(broken, { name: 'ConvertError', message });
    });
  }

  const topFaults: [string, Fields, RegExp][] = [
    [
      'an unknown architecture',
      { architectures: ['LlamaForCausalLM'] },
      /architectures is \[LlamaForCausalLM\]; supported are RForConditionalGeneration and Qwen3ForCausalLM/,
    ],
    [
      'another aspect ratio',
      { vision_aspect_ratio: 'anyres_max_9' },
      /vision_aspect_ratio is "anyres_max_9"; only "anyres"/,
    ],
    [
      'another select strategy',
      { vision_feature_select_strategy: 'default' },
      /vision_feature_select_strategy is "default"/,
    ],
    [
      'several feature layers',
      { vision_feature_layer: [-1, -2] },
      /vision_feature_layer is \[-1,-2\]/,
    ],
    [
      'a feature layer out of range',
      { vision_feature_layer: -4 },
      /vision_feature_layer is -4; .* tower's 2/,
    ],
    [
      'an unknown projector activation',
      { projector_hidden_act: 'swish' },
      /projector_hidden_act is "swish"/,
    ],
    ['no pinpoints', { image_grid_pinpoints: [] }, /image_grid_pinpoints/],
  ];
  for (const [what, fields, message] of topFaults) {
    it(`with ${what} is rejected by field and value`, async (test) => {
      const broken = read(test, (draft) => {
        Object.assign(draft.config, fields);
        delete draft.preprocessor!['image_grid_pinpoints'];
      });
      await assert.rejects(broken, { name: 'ConvertError', message });
    });
  }

  const preprocessorFaults: [string, Fields, RegExp][] = [
    ['another resampling', { resample: 0 }, /resample is 0; only 2 \(bilinear\) and 3 \(bicubic\)/],
    ['normalisation turned off', { do_normalize: false }, /do_normalize is false/],
    [
      'another size than the tower',
      { size: { height: 224, width: 224 } },
      /size is .*224.* but the tower takes 30/,
    ],
    [
      'uneven pinpoints',
      { image_grid_pinpoints: [[30, 45]] },
      /\[30,45\].*multiples of the tile size 30/,
    ],
  ];
  for (const [what, fields, message] of preprocessorFaults) {
    it(`with ${what} in the preprocessor is rejected`, async (test) => {
      const broken = read(test, (draft) => Object.assign(draft.preprocessor!, fields));
      await assert.rejects(broken, { name: 'ConvertError', message });
    });
  }

  const notes: [string, (draft: CheckpointDraft) => void, RegExp][] = [
    [
      '27 layers',
      (draft) => Object.assign(draft.config['vision_config'] as Fields, { num_hidden_layers: 27 }),
      /has 27 layers; .* implies 26/,
    ],
    [
      'another image token id',
      (draft) => Object.assign(draft.config, { image_token_index: 5 }),
      /image_token_index is 5; the tokenizer's id of <image> is 267 \(taken\)/,
    ],
    [
      'other normalisation',
      (draft) => Object.assign(draft.preprocessor!, { image_mean: [0.4, 0.5, 0.5] }),
      /image_mean is \[0\.4,0\.5,0\.5\]/,
    ],
    [
      'bilinear resampling',
      (draft) => Object.assign(draft.preprocessor!, { resample: 2 }),
      /resample is 2 \(bilinear\)/,
    ],
    [
      'pinpoints that differ',
      (draft) => Object.assign(draft.preprocessor!, { image_grid_pinpoints: [[30, 30]] }),
      /differ: 1 in preprocessor_config\.json \(taken\), 4 in config\.json/,
    ],
    [
      'two lengths',
      (draft) => Object.assign(draft.config, { max_position_embeddings: 99 }),
      /max_position_embeddings is 99 .* 256 in text_config \(taken\)/,
    ],
    [
      'another processor',
      (draft) => Object.assign(draft.processor!, { num_image_tokens: 729 }),
      /num_image_tokens is 729; 16 follows/,
    ],
    [
      'no generation config',
      (draft) => {
        draft.generation = undefined;
        draft.config['eos_token_id'] = 3;
      },
      /no generation_config\.json; sampling is greedy/,
    ],
  ];
  for (const [what, edit, message] of notes) {
    it(`with ${what} is converted and noted`, async (test) => {
      assert.match((await read(test, edit)).notes.join('\n'), message);
    });
  }

  it('without an end token anywhere is rejected', async (test) => {
    const broken = read(test, (draft) => {
      draft.generation = {};
    });
    await assert.rejects(broken, /No end-of-sequence token/);
  });

  it('takes the end token from tokenizer_config.json when nothing else names one', async (test) => {
    const dir = checkpoint(test, (draft) => {
      draft.generation = {};
    });
    const file = join(dir, 'tokenizer_config.json');
    writeFileSync(file, JSON.stringify({ eos_token: { content: '<|im_end|>' } }));
    assert.deepEqual((await readModelConfig(dir)).eosTokenIds, [266]);
  });

  it('without the image token in the tokenizer is rejected', async (test) => {
    const broken = read(test, ({ tokenizer }) => {
      const added = tokenizer['added_tokens'] as { content: string }[];
      tokenizer['added_tokens'] = added.filter(({ content }) => content !== '<image>');
    });
    await assert.rejects(broken, /tokenizer\.json has no token <image>/);
  });

  for (const file of ['config.json', 'tokenizer.json', 'preprocessor_config.json']) {
    it(`without ${file} is rejected by name`, async (test) => {
      const dir = checkpoint(test);
      rmSync(join(dir, file));
      await assert.rejects(
        readModelConfig(dir),
        new RegExp(`${file.replace('.', '\\.')} does not exist`),
      );
    });
  }

  it('that is not JSON is rejected by name', async (test) => {
    const dir = checkpoint(test);
    writeFileSync(join(dir, 'config.json'), '{');
    await assert.rejects(readModelConfig(dir), /config\.json is not valid JSON/);
  });
});

describe('the chat template', () => {
  for (const [file, contents] of [
    ['chat_template.json', { chat_template: 'from json' }],
    ['tokenizer_config.json', { chat_template: 'from json' }],
    ['tokenizer_config.json', { chat_template: [{ name: 'default', template: 'from json' }] }],
  ] as const) {
    it(`may lie in ${file} as ${Array.isArray(contents.chat_template) ? 'a list' : 'text'}`, async (test) => {
      const dir = checkpoint(test);
      rmSync(join(dir, 'chat_template.jinja'));
      writeFileSync(join(dir, file), JSON.stringify(contents));
      assert.equal((await readModelConfig(dir)).chatTemplate, 'from json');
    });
  }

  it('is required: the error lists the files that may have it', async (test) => {
    const dir = checkpoint(test);
    rmSync(join(dir, 'chat_template.jinja'));
    await assert.rejects(readModelConfig(dir), /no chat template: looked in chat_template\.jinja/);
  });

  it('takes parts when a list of parts renders to the text and one placeholder', () => {
    assert.equal(detectContentFormat(CHAT_TEMPLATE, '<image>'), 'parts');
    assert.equal(detectContentFormat(CHAT_TEMPLATE, null), 'parts');
  });

  const strings = {
    'prints the content': '{% for m in messages %}{{ m.content }}{% endfor %}',
    'adds text to the content': "{% for m in messages %}{{ 'user: ' + m.content }}{% endfor %}",
    'drops images':
      "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}",
    'refuses lists': "{{ raise_exception('only strings') }}",
  };
  for (const [what, template] of Object.entries(strings)) {
    it(`takes a string when the template ${what}`, () => {
      assert.equal(detectContentFormat(template, '<image>'), 'string');
    });
  }

  it('must parse: a syntax error is an error of the checkpoint', () => {
    assert.throws(() => detectContentFormat('{% if %}', '<image>'), {
      name: 'ConvertError',
      message: /cannot be parsed/,
    });
  });
});
