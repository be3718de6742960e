import assert from 'node:assert/strict';
import { it } from 'node:test';
import { replaySuffix } from '../../../../src/engine/thinking/replay-suffix.ts';
import { BUILTIN_PROTOCOLS } from '../../../../src/package/protocols/builtin-protocols.ts';

it('generation begins where the tags of each mode leave the prompt', () => {
  const starts = Object.values(BUILTIN_PROTOCOLS).flatMap((protocol) =>
    (['auto', 'think', 'fast'] as const).flatMap((mode) => {
      const row = protocol.modes[mode];
      if (row?.prefill === undefined) return [];
      return [`${protocol.name} ${mode}: ${replaySuffix(protocol, `<|turn|>\n${row.prefill}`)}`];
    }),
  );
  assert.deepEqual(starts.sort(), [
    'AdaptR1 fast: tagged-start',
    'AdaptR1 think: block-start',
    'AdaptThink auto: block-start',
    'AdaptThink fast: answer-start',
    'AdaptThink think: block-start',
    'AutoThink auto: block-start',
    'AutoThink fast: answer-start',
    'AutoThink think: block-start',
    'DeepSeek-V3.1 fast: answer-start',
    'DeepSeek-V3.1 think: block-start',
    'GLM-4.5V fast: answer-start',
    'Hunyuan-A13B fast: answer-start',
    'KAT-V1 fast: tagged-start',
    'KAT-V1 think: block-start',
    'LHRM fast: tagged-start',
    'LHRM think: block-start',
    'MiniCPM-V-4.5 fast: answer-start',
    'MiniCPM-V-4.5 think: block-start',
    'MiniMax-M3 fast: answer-start',
    'Qwen3 fast: answer-start',
    'R-4B auto: block-start',
    'R-4B fast: answer-start',
    'R-4B think: block-start',
    'TON fast: answer-start',
    'TON think: block-start',
    'Thinkless fast: answer-start',
    'Thinkless think: block-start',
    'gpt-oss fast: tagged-start',
  ]);
});

it('a suffix without tags leaves the text outside', () => {
  const { 'KAT-V1': kat, 'gpt-oss': oss } = BUILTIN_PROTOCOLS;
  assert.ok(kat && oss);
  assert.equal(replaySuffix(kat, '<|im_start|>assistant\n'), 'outside');
  assert.equal(replaySuffix(oss, '<|start|>assistant'), 'outside');
  assert.equal(replaySuffix(kat, '\n<judge>\nhard'), 'preamble');
  assert.equal(replaySuffix(kat, '\n<judge>\n</judge>\n'), 'after-preamble');
  assert.equal(replaySuffix(kat, '<think>a</think>\n<answer>b</answer> c'), 'answer');
});
