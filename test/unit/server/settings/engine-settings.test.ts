import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  checkKvCache,
  deviceRequest,
  engineCount,
  engineSettings,
  maxThinkingSeqs,
} from '../../../../src/server/settings/engine-settings.ts';
import { parseFlags } from '../../../helpers/parse-flags.ts';

function device(...words: string[]) {
  return deviceRequest(parseFlags(...words).engine);
}

function count(...words: string[]) {
  return engineCount(parseFlags('--threads', '2', ...words).engine);
}

function thinkingSeqs(...words: string[]): number {
  return maxThinkingSeqs(parseFlags(...words).engine);
}

function capacity(maxPositions: number, ...words: string[]): number {
  const manifest = { text: { maxPositions } } as Parameters<typeof engineSettings>[1];
  return engineSettings(parseFlags(...words).engine, manifest).slotCapacity;
}

describe('The device', () => {
  it('is chosen automatically unless it is named', () => {
    assert.deepEqual(device(), { preference: 'auto', id: 0, memoryLimit: null });
    for (const preference of ['cpu', 'webgpu', 'cuda']) {
      assert.deepEqual(device('--device', preference), { preference, id: 0, memoryLimit: null });
    }
    assert.throws(() => device('--device', 'tpu'), /device/);
  });

  it('has a number and a memory limit on CUDA only', () => {
    assert.deepEqual(device('--device', 'cuda', '--device-id', '3', '--device-memory-mb', '2048'), {
      preference: 'cuda',
      id: 3,
      memoryLimit: 2 ** 31,
    });
    assert.throws(
      () => device('--device', 'webgpu', '--device-id', '1'),
      /--device-id 1 can be set for --device cuda only, not for --device webgpu/,
    );
    assert.throws(
      () => device('--device-memory-mb', '500', '--device-id', '0'),
      /--device-id 0 and --device-memory-mb 500 can be set for --device cuda only, not for --device auto/,
    );
  });

  it('is the CPU with an int8 KV cache, and may not be another', () => {
    const int8 = ['--kv-cache-dtype', 'int8'];
    assert.equal(device(...int8).preference, 'cpu');
    assert.equal(device('--kv-cache-dtype', 'fp32').preference, 'auto');
    for (const name of ['webgpu', 'cuda']) {
      assert.throws(
        () => device(...int8, '--device', name),
        new Error(`--kv-cache-dtype int8 is for the CPU, not for --device ${name}.`),
      );
    }
  });
});

describe('An int8 KV cache', () => {
  it('needs a package that was prepared for it', () => {
    assert.throws(
      () => checkKvCache('int8', {}, 'packages/r4b'),
      new Error(
        '--kv-cache-dtype int8: packages/r4b has no decoder for it; `thinkgate quantize-kv packages/r4b` adds one.',
      ),
    );
    checkKvCache('int8', { int8Kv: { decoder: 'decoder.kv8.onnx' } }, 'packages/r4b');
    checkKvCache('fp32', {}, 'packages/r4b');
  });
});

describe('The engine processes', () => {
  it('are one, or as many as asked for', () => {
    assert.deepEqual(count(), { numEngines: 1, deviceIds: [0] });
    assert.deepEqual(count('--data-parallel-size', '2'), { numEngines: 2, deviceIds: [0] });
    assert.throws(() => count('--data-parallel-size', '0'), /--data-parallel-size 0/);
  });

  it('are one for each device that is named, or more', () => {
    const cuda = ['--device', 'cuda', '--device-id', '0, 1,3'];
    assert.deepEqual(count(...cuda), { numEngines: 3, deviceIds: [0, 1, 3] });
    assert.deepEqual(count(...cuda, '--data-parallel-size', '6'), {
      numEngines: 6,
      deviceIds: [0, 1, 3],
    });
    assert.throws(() => count(...cuda, '--data-parallel-size', '2'), {
      message: '--data-parallel-size 2 is fewer than the 3 devices of --device-id 0,1,3.',
    });
    for (const ids of ['0,', '0,x', '-1', '', '1,1', '12345']) {
      assert.throws(() => count('--device', 'cuda', '--device-id', ids), /--device-id/, ids);
    }
  });

  it('need a thread each, except on a GPU', () => {
    assert.equal(count('--data-parallel-size', '3', '--device', 'cuda').numEngines, 3);
    for (const name of ['cpu', 'auto']) {
      assert.throws(() => count('--data-parallel-size', '3', '--device', name), {
        message:
          '--data-parallel-size 3 is more than the 2 threads: each engine needs one (--threads).',
      });
    }
  });

  it('keep one sequence in four for direct answers unless told otherwise', () => {
    assert.equal(thinkingSeqs('--max-num-seqs', '8'), 6);
    assert.equal(thinkingSeqs('--max-num-seqs', '8', '--max-num-thinking-seqs', '2'), 2);
    assert.throws(
      () => thinkingSeqs('--max-num-seqs', '2', '--max-num-thinking-seqs', '3'),
      /3 is more than the 2 sequences/,
    );
  });

  it("have the model's positions for a sequence, at most 16384 unless --max-model-len says more", () => {
    assert.equal(capacity(1024), 1024);
    assert.equal(capacity(40_960), 16_384);
    assert.equal(capacity(40_960, '--max-model-len', '32768'), 32_768);
    assert.throws(() => capacity(1024, '--max-model-len', '1025'), {
      message: '--max-model-len 1025 is more than the 1024 positions of the model.',
    });
  });
});
