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
    'AdaptR1 fast: answer-tagged',
    'AdaptR1 think: block',
    'AdaptThink auto: block',
    'AdaptThink fast: answer',
    'AdaptThink think: block',
    'AutoThink auto: block',
    'AutoThink fast: answer',
    'AutoThink think: block',
    'DeepSeek-V3.1 fast: answer',
    'DeepSeek-V3.1 think: block',
    'GLM-4.5V fast: answer',
    'Hunyuan-A13B fast: answer',
    'KAT-V1 fast: answer-tagged',
    'KAT-V1 think: block',
    'LHRM fast: answer-tagged',
    'LHRM think: block',
    'MiniCPM-V-4.5 fast: answer',
    'MiniCPM-V-4.5 think: block',
    'MiniMax-M3 fast: answer',
    'Qwen3 fast: answer',
    'R-4B auto: block',
    'R-4B fast: answer',
    'R-4B think: block',
    'TON fast: answer',
    'TON think: block',
    'Thinkless fast: answer',
    'Thinkless think: block',
    'gpt-oss fast: answer-tagged',
  ]);
});

it('a suffix without tags leaves everything to the model', () => {
  const { 'KAT-V1': kat, 'gpt-oss': oss } = BUILTIN_PROTOCOLS;
  assert.ok(kat && oss);
  assert.equal(replaySuffix(kat, '<|im_start|>assistant\n'), 'outside');
  assert.equal(replaySuffix(oss, '<|start|>assistant'), 'outside');
  assert.equal(replaySuffix(kat, '\n<judge>\nhard'), 'preamble');
  assert.equal(replaySuffix(kat, '\n<judge>\n</judge>\n'), 'after-preamble');
  assert.equal(replaySuffix(kat, '<think>a</think>\n<answer>b</answer> c'), 'answer-text');
});
