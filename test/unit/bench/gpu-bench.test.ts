import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { encodeModel, type TensorProto } from '../../../src/onnx/model-proto.ts';
import { runPhaseProcess } from '../../bench/gpu/phase-process.ts';
import { formatResults } from '../../bench/gpu/report.ts';
import { Results } from '../../bench/gpu/results.ts';
import { type Ending, type Phase, runPhases } from '../../bench/gpu/run-phases.ts';
import type { Sample } from '../../bench/gpu/sample.ts';
import { weightBytes } from '../../bench/gpu/weight-bytes.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

const DONE: Ending = { end: 'done', seconds: 1 };

function phase(id: string, parts: Partial<Phase> = {}): Phase {
  return { id, queue: 'device', needs: [], command: [], budgetS: 100, ...parts };
}

async function ran(
  phases: readonly Phase[],
  options: Partial<Parameters<typeof runPhases>[1]> = {},
): Promise<{ order: string[]; ends: Record<string, Ending> }> {
  const order: string[] = [];
  const ends: Record<string, Ending> = {};
  await runPhases(phases, {
    done: new Set(),
    beside: true,
    secondsLeft: () => 1000,
    onEnd: ({ id }, ending) => {
      ends[id] = ending;
    },
    ...options,
    run: async (started, limitS) => {
      order.push(started.id);
      return options.run?.(started, limitS) ?? DONE;
    },
  });
  return { order, ends };
}

describe('The phases of the GPU bench', () => {
  it('wait for those they need, also in the other queue', async () => {
    const phases = [phase('speed', { needs: ['package'] }), phase('package', { queue: 'host' })];
    const { order, ends } = await ran(phases);
    assert.deepEqual(order, ['package', 'speed']);
    assert.deepEqual(ends, { package: DONE, speed: DONE });
  });

  it('go on after one that failed, without those that need it', async () => {
    const failed: Ending = { end: 'failed', reason: 'no driver' };
    const phases = [phase('a'), phase('b', { needs: ['a'] }), phase('c')];
    const { order, ends } = await ran(phases, {
      run: async ({ id }) => (id === 'a' ? failed : DONE),
    });
    assert.deepEqual(order, ['a', 'c']);
    assert.deepEqual(ends, { a: failed, b: { end: 'skipped', reason: 'needs a' }, c: DONE });
  });

  it('run once: what an earlier run has done is not done again', async () => {
    const phases = [phase('b', { needs: ['a'] })];
    assert.deepEqual((await ran(phases, { done: new Set(['a']) })).order, ['b']);
    assert.deepEqual((await ran(phases, { done: new Set(['a', 'b']) })).order, []);
  });

  it('get what is left of the time, and are left for the next run without any', async () => {
    const limits: number[] = [];
    let left = 130;
    const { ends } = await ran([phase('a'), phase('b'), phase('c')], {
      secondsLeft: () => left,
      run: async (_, limitS) => {
        limits.push(limitS);
        left -= limitS;
        return DONE;
      },
    });
    assert.deepEqual(limits, [100, 30]);
    assert.deepEqual(ends['c'], { end: 'skipped', reason: 'no time left' });
  });
});

describe("A phase's process", () => {
  const script = (code: string): Phase => phase('p', { command: [process.execPath, '-e', code] });
  const line = '{"what":"decode@1","column":"cpu","value":2.5,"unit":"tokens/s"}';

  it('keeps the samples it printed when it dies, and says what it died of', async () => {
    const samples: Sample[] = [];
    const code = `console.log('loading');console.log('${line}');throw new RangeError('too large')`;
    const ending = await runPhaseProcess(script(code), 60, (sample) => samples.push(sample));
    assert.deepEqual(samples, [{ what: 'decode@1', column: 'cpu', value: 2.5, unit: 'tokens/s' }]);
    assert.deepEqual(ending, { end: 'failed', reason: 'ended with 1: RangeError: too large' });
  });

  it('is stopped when its time is over', async () => {
    const ending = await runPhaseProcess(script('setInterval(() => {}, 1000)'), 0.2, () => {});
    assert.deepEqual(ending, { end: 'failed', reason: 'stopped after 0 s' });
  });

  it('is a failed phase where there is no such program', async () => {
    const ending = await runPhaseProcess(
      phase('p', { command: ['/no/such/python'] }),
      60,
      () => {},
    );
    assert.equal(ending.end, 'failed');
  });
});

describe('The results of the GPU bench', () => {
  it('are there again after an interruption, the last try of each phase alone', (context) => {
    const file = join(scratchDir(context), 'results.jsonl');
    const sample = (value: number): Sample => ({ what: 'w', column: 'c', value, unit: 'u' });
    const first = new Results(file, { batches: [1] });
    first.start('a');
    first.sample('a', sample(1));
    first.end('a', DONE);
    first.start('b');
    first.sample('b', sample(2));
    const second = new Results(file, { batches: [1] });
    assert.deepEqual([...second.done], ['a']);
    second.start('b');
    second.sample('b', sample(3));
    second.end('b', { end: 'failed', reason: 'r' });
    const third = new Results(file, { batches: [1] });
    assert.deepEqual(third.samples, [sample(1), sample(3)]);
    assert.deepEqual([...third.done], ['a']);
  });

  it('of other settings are not mixed in', (context) => {
    const file = join(scratchDir(context), 'results.jsonl');
    new Results(file, { batches: [1] });
    assert.throws(() => new Results(file, { batches: [8] }), /other settings; --fresh/);
  });
});

describe('The table of the GPU bench', () => {
  const of = (column: string, values: Record<string, number>): Sample[] =>
    Object.entries(values).map(([what, value]) => ({ what, column, value, unit: '' }));

  it('holds decoding against the time that copying its bytes takes', () => {
    const samples = [
      ...of('torch', { copy: 4e12 }),
      ...of('webgpu', { copy: 3e12 }),
      ...of('webgpu int4', { 'decode@1': 1000, weights: 2e9, kv: 0.5e9 }),
    ];
    const table = formatResults(samples, new Map(), [1]);
    // 4e12 / 2.5e9 = 1,600 tokens a second at most.
    assert.match(table, /share of the bandwidth floor.* 62\.5 %/);
    assert.match(table, /copies .*torch 4000\.0 GB\/s, webgpu 3000\.0 GB\/s/);
    assert.match(table, /MB a step, batch 1 +2500$/m);
  });

  it('compares with what transformers does by default', () => {
    const samples = [
      ...of('cuda int4', { 'decode@32': 4000 }),
      ...of('transformers float16', { 'decode@32': 500 }),
      ...of('transformers float16, static cache', { 'decode@32': 1000 }),
    ];
    const cells = formatResults(samples, new Map(), [32]).match(/times transformers.*/)?.[0];
    // The static cache's row is an answer to the same question.
    assert.match(cells ?? '', /aim: 5\) +8\.0 +2\.0$/);
  });

  it('says what is missing and why', () => {
    const ends = new Map<string, Ending>([
      ['speed:cuda:int4', { end: 'failed', reason: 'libcudart.so.13 is missing' }],
      ['copy:torch', DONE],
      ['correct:cuda', { end: 'skipped', reason: 'needs copy:cuda' }],
      ['speed:cuda:fp16', { end: 'skipped', reason: 'needs copy:cuda' }],
    ]);
    const text = formatResults([], ends, [1]);
    assert.match(
      text,
      /Not measured:\nspeed:cuda:int4: failed, libcudart\.so\.13 is missing\ncorrect:cuda speed:cuda:fp16: skipped, needs copy:cuda\n$/,
    );
    assert.match(text, /not measured/);
  });
});

describe('The bytes of weights a step reads', () => {
  it('are those of the initializers outside the graph, each stretch once, no rotary tables', async (context) => {
    const file = join(scratchDir(context), 'decoder.onnx');
    const stored = (name: string, offset: number, bytes: number): TensorProto => {
      return { name, type: 'uint8', dims: [bytes], data: { file: 'text.data', offset, bytes } };
    };
    const raw = { raw: new Uint8Array(8) };
    const graph = {
      name: 'g',
      nodes: [],
      inputs: [],
      outputs: [],
      initializers: [
        stored('layers.0.mlp.down.weight', 0, 1000),
        stored('head.weight', 4096, 300),
        stored('embed.weight', 4096, 300),
        stored('cos_cache', 8192, 5000),
        { name: 'shape', type: 'int64', dims: [1], data: raw } satisfies TensorProto,
      ],
    };
    writeFileSync(file, encodeModel(graph, 'test'));
    assert.equal(await weightBytes(file), 1300);
  });

  it("are the shipped model's, whose embedding is its head", async () => {
    const { files }: { files: { path: string; bytes: number }[] } = JSON.parse(
      readFileSync('models/nano/manifest.json', 'utf8'),
    );
    const all = files.find(({ path }) => path === 'text.data')?.bytes ?? 0;
    const found = await weightBytes('models/nano/decoder.onnx');
    assert.ok(found < all && found > 0.8 * all, `${found} of ${all}`);
  });
});

describe('The GPU bench', () => {
  it('runs a phase and shows its figure, and does not run it twice', async (context) => {
    const run = promisify(execFile);
    const bench = async (): Promise<string> => {
      const flags = ['--quick', '--only', 'copy:cpu', '--devices', 'cpu', '--work'];
      const args = ['dist/test/bench/gpu/run.js', ...flags, work, '--python', 'no-python'];
      return (await run(process.execPath, args)).stdout;
    };
    const work = join(scratchDir(context), 'work');
    const first = await bench();
    assert.match(first, /copy:cpu: done/);
    assert.match(first, /copies \(read and written\): cpu \d+\.\d GB\/s/);
    assert.match(first, /!!! no-python has no torch/);
    const second = await bench();
    assert.doesNotMatch(second, /copy:cpu …/);
    assert.match(second, /cpu \d+\.\d GB\/s/);
  });
});
