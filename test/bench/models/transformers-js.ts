/**
 * A package's weights in the layout transformers.js loads: one graph from token ids to logits, its cache grown by
 * concatenation, its lengths read off the attention mask, as the exports on the hub have it. The decoder's nodes are
 * those of our own graph, over the same data file.
 */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpointWeights } from '../../../src/converter/checkpoint/checkpoint-weights.ts';
import { EMBEDDING, LM_HEAD } from '../../../src/converter/checkpoint/expected-tensors.ts';
import { matchTensors } from '../../../src/converter/checkpoint/match-tensors.ts';
import { readModelConfig } from '../../../src/converter/config/model-config.ts';
import type { TextConfig } from '../../../src/converter/config/text-config.ts';
import {
  addAndNorm,
  type DecoderContext,
  decoderLayer,
  type ResidualStream,
} from '../../../src/converter/onnx/decoder-layer.ts';
import { GraphBuilder } from '../../../src/converter/onnx/graph-builder.ts';
import { CPU_TARGET } from '../../../src/converter/onnx/graph-target.ts';
import { headLinear } from '../../../src/converter/onnx/operators.ts';
import { rotaryTables } from '../../../src/converter/onnx/rotary-tables.ts';
import { DataFile } from '../../../src/converter/weights/data-file.ts';
import { WeightStore } from '../../../src/converter/weights/weight-store.ts';
import { DECODER_IO } from '../../../src/package/graph-io.ts';
import { EOS } from './qwen-shape.ts';

const DATA = 'model_q4.onnx_data';

/** Writes a folder for `AutoModelForCausalLM.from_pretrained(dir, { dtype: 'q4' })`, int4 and tied. */
export async function writeTransformersJs(checkpointDir: string, outDir: string): Promise<void> {
  const config = await readModelConfig(checkpointDir);
  const checkpoint = await openCheckpointWeights(checkpointDir);
  try {
    const tensors = await matchTensors(config, checkpoint.tensors);
    const file = new DataFile(DATA);
    const weights = new WeightStore({
      ...{ tensors, file, blockSize: 32, onError: () => undefined, measure: false },
    });
    const graph = mergedGraph(weights, config.text);
    await mkdir(join(outDir, 'onnx'), { recursive: true });
    await file.write(join(outDir, 'onnx'), { onProgress: () => undefined });
    await writeFile(join(outDir, 'onnx', 'model_q4.onnx'), graph.encode('thinkgate bench'));
  } finally {
    await checkpoint.close();
  }
  await copyFile(join(checkpointDir, 'tokenizer.json'), join(outDir, 'tokenizer.json'));
  const raw: Record<string, unknown> = JSON.parse(
    await readFile(join(checkpointDir, 'config.json'), 'utf8'),
  );
  const use = { 'transformers.js_config': { use_external_data_format: true } };
  await writeFile(join(outDir, 'config.json'), JSON.stringify({ ...raw, ...use }));
  const tokenizer = {
    tokenizer_class: 'Qwen2Tokenizer',
    eos_token: '<|im_end|>',
    pad_token: '<|endoftext|>',
  };
  await writeFile(join(outDir, 'tokenizer_config.json'), JSON.stringify(tokenizer));
  const generation = { eos_token_id: EOS, pad_token_id: EOS[1], do_sample: false };
  await writeFile(join(outDir, 'generation_config.json'), JSON.stringify(generation));
}

function mergedGraph(weights: WeightStore, text: TextConfig): GraphBuilder {
  const graph = new GraphBuilder('model');
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'total_sequence_length']);
  const context: DecoderContext = {
    graph,
    weights,
    form: 'int4',
    target: CPU_TARGET,
    text,
    shared: { ...lengths(graph, mask), ...tables(graph, weights, text) },
  };
  let state: ResidualStream = { stream: embed(context, ids) };
  for (let layer = 0; layer < text.numLayers; layer++) {
    declareGrowingCache(context, layer);
    state = decoderLayer(context, layer, state);
  }
  const { normed } = addAndNorm(context, state, {
    path: '/model/norm',
    weight: 'text.norm.weight',
  });
  // The last row alone, which favours the peer in long prompts.
  const last = graph.op('/lm_head/last', 'Gather', [normed, graph.int64s([-1])], {
    axis: { int: 1 },
  });
  const rows = graph.op('/lm_head/rows', 'Reshape', [last, graph.int64s([-1, text.hiddenSize])]);
  const logits = headLinear(context, { path: '/lm_head', input: rows, weight: LM_HEAD });
  const shaped = graph.op('/lm_head/shape', 'Unsqueeze', [logits, graph.int64s([1])]);
  graph.identity(shaped, 'logits');
  graph.output('logits', 'float32', ['batch_size', 'one', text.vocabSize]);
  return graph;
}

/** GroupQueryAttention's lengths: of each row from its mask, of the batch from the mask's width. */
function lengths(graph: GraphBuilder, mask: string) {
  const cast = (path: string, value: string): string =>
    graph.op(path, 'Cast', [value], { to: { int: 6 } });
  const sum = graph.op('/mask/sum', 'ReduceSum', [mask, graph.int64s([1])], {
    keepdims: { int: 0 },
  });
  const seqlens = graph.op('/mask/seqlens', 'Sub', [sum, graph.int64s([1])]);
  const shape = graph.op('/mask/shape', 'Shape', [mask]);
  const total = graph.op('/mask/total', 'Gather', [shape, graph.int64s([1], [])], {
    axis: { int: 0 },
  });
  return {
    seqlensK: cast('/mask/seqlens', seqlens),
    totalSequenceLength: cast('/mask/total', total),
  };
}

function tables(graph: GraphBuilder, weights: WeightStore, text: TextConfig) {
  const { cos, sin } = rotaryTables(text);
  const shape = [text.maxPositions, text.headDim / 2];
  const table = (name: string, values: Float32Array): string =>
    graph.weight(name, 'float32', shape, weights.computed(name, values, 'float32'));
  return { cos: table('cos_cache', cos), sin: table('sin_cache', sin) };
}

function embed({ graph, weights }: DecoderContext, ids: string): string {
  const { rows, columns } = weights.matrix(EMBEDDING);
  const { values, scales } = weights.quantized(EMBEDDING, 4);
  const packed = graph.weight(`${EMBEDDING}.int4`, 'uint8', [rows, columns / 2], values);
  const shape = [rows, columns / weights.blockSize];
  const scale = graph.weight(`${EMBEDDING}.scales`, 'float32', shape, scales);
  return graph.op('/model/embed_tokens', 'GatherBlockQuantized', [packed, ids, scale], {
    bits: { int: 4 },
    block_size: { int: weights.blockSize },
    gather_axis: { int: 0 },
    quantize_axis: { int: 1 },
  });
}

/** The names our layers use inside, transformers.js' own at the border. */
function declareGrowingCache({ graph, text }: DecoderContext, layer: number): void {
  const dims = (length: string) => ['batch_size', text.numKvHeads, length, text.headDim];
  for (const [past, present, name] of [
    [DECODER_IO.pastKey(layer), DECODER_IO.presentKey(layer), 'key'],
    [DECODER_IO.pastValue(layer), DECODER_IO.presentValue(layer), 'value'],
  ] as const) {
    const input = graph.input(
      `past_key_values.${layer}.${name}`,
      'float32',
      dims('past_sequence_length'),
    );
    if (input !== past) graph.identity(input, past);
    const output = `present.${layer}.${name}`;
    if (output !== present) graph.identity(present, output);
    graph.output(output, 'float32', dims('total_sequence_length'));
  }
}
