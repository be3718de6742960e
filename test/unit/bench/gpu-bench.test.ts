import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
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

describe('runPhases', () => {
  it('starts a phase after the phases it needs, also those of the other queue', async () => {
    const phases = [phase('speed', { needs: ['package'] }), phase('package', { queue: 'host' })];
    const { order, ends } = await ran(phases);
    assert.deepEqual(order, ['package', 'speed']);
    assert.deepEqual(ends, { package: DONE, speed: DONE });
  });

  it('goes on after a failed phase and skips the phases that need it', async () => {
    const failed: Ending = { end: 'failed', reason: 'no driver' };
    const phases = [phase('a'), phase('b', { needs: ['a'] }), phase('c')];
    const { order, ends } = await ran(phases, {
      run: async ({ id }) => (id === 'a' ? failed : DONE),
    });
    assert.deepEqual(order, ['a', 'c']);
    assert.deepEqual(ends, { a: failed, b: { end: 'skipped', reason: 'needs a' }, c: DONE });
  });

  it('does not run a phase again that an earlier run has done', async () => {
    const phases = [phase('b', { needs: ['a'] })];
    assert.deepEqual((await ran(phases, { done: new Set(['a']) })).order, ['b']);
    assert.deepEqual((await ran(phases, { done: new Set(['a', 'b']) })).order, []);
  });

  it('limits a phase to the time left, and skips it when there is none', async () => {
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

describe('runPhaseProcess', () => {
  const script = (code: string): Phase => phase('p', { command: [process.execPath, '-e', code] });
  const line = '{"what":"decode@1","column":"cpu","value":2.5,"unit":"tokens/s"}';

  it('keeps the samples of a process that dies, and names the error', async () => {
    const samples: Sample[] = [];
    const code = `console.log('loading');console.log('${line}');throw new RangeError('too large')`;
    const ending = await runPhaseProcess(script(code), 60, (sample) => samples.push(sample));
    assert.deepEqual(samples, [{ what: 'decode@1', column: 'cpu', value: 2.5, unit: 'tokens/s' }]);
    assert.deepEqual(ending, { end: 'failed', reason: 'ended with 1: RangeError: too large' });
  });

  it('stops a process at its time limit', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const ending = runPhaseProcess(script('setInterval(() => {}, 1000)'), 90, () => {});
    context.mock.timers.tick(90_000);
    assert.deepEqual(await ending, { end: 'failed', reason: 'stopped after 90 s' });
  });

  it('fails the phase when the program does not exist', async () => {
    const ending = await runPhaseProcess(
      phase('p', { command: ['/no/such/python'] }),
      60,
      () => {},
    );
    assert.equal(ending.end, 'failed');
  });
});

describe('Results', () => {
  it('reads back the last attempt of every phase after an interruption', (context) => {
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

  it('rejects a file that holds results of other settings', (context) => {
    const file = join(scratchDir(context), 'results.jsonl');
    new Results(file, { batches: [1] });
    assert.throws(() => new Results(file, { batches: [8] }), /other settings; --fresh/);
  });
});

describe('formatResults', () => {
  const of = (column: string, values: Record<string, number>): Sample[] =>
    Object.entries(values).map(([what, value]) => ({ what, column, value, unit: '' }));

  it('compares decoding with the time that copying its bytes takes', () => {
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

  it('compares with transformers in its default settings', () => {
    const samples = [
      ...of('cuda int4', { 'decode@32': 4000 }),
      ...of('transformers float16', { 'decode@32': 500 }),
      ...of('transformers float16, static cache', { 'decode@32': 1000 }),
    ];
    const cells = formatResults(samples, new Map(), [32]).match(/times transformers.*/)?.[0];
    // The static cache's row is an answer to the same question.
    assert.match(cells ?? '', /aim: 5\) +8\.0 +2\.0$/);
  });

  it('lists what was not measured, and why', () => {
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

describe('weightBytes', () => {
  it('counts each stretch of external data once, without rotary tables', async (context) => {
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

  it("counts the shipped model's tied embedding and head once", async () => {
    const { files }: { files: { path: string; bytes: number }[] } = JSON.parse(
      readFileSync('models/nano/manifest.json', 'utf8'),
    );
    const all = files.find(({ path }) => path === 'text.data')?.bytes ?? 0;
    const found = await weightBytes('models/nano/decoder.onnx');
    assert.ok(found < all && found > 0.8 * all, `${found} of ${all}`);
  });
});
