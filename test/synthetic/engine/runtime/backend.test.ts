import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import { cudaProviderPath } from '../../../../src/engine/runtime/ffi/ort-library.ts';
import {
  type Backend,
  RuntimeError,
  type Session,
  type TensorView,
} from '../../../../src/engine/runtime/session.ts';
import { encodeModel } from '../../../../src/onnx/model-proto.ts';
import { repetitions } from '../../../helpers/corpus-sample.ts';
import { Random } from '../../../helpers/random.ts';
import { floats, node } from '../../../helpers/tiny-model.ts';

/** These machines have what others miss. */
const HAS_CUDA = existsSync(cudaProviderPath());
const IS_LINUX = process.platform === 'linux';
const WIDTH = 256;
const LAYERS = 300;
const SENTINEL = -12345;
const MEBIBYTE = 2 ** 20;

let folder: string;
let addPath: string;
let deepPath: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thinkgate-backend-'));
  addPath = join(folder, 'add.onnx');
  deepPath = join(folder, 'deep.onnx');
  await writeFile(addPath, addModel());
  await writeFile(deepPath, deepModel());
});
after(() => rm(folder, { recursive: true }));

/** z = x + y and w = x * y, any length. */
function addModel(): Uint8Array {
  return encodeModel(
    {
      name: 'add',
      nodes: [node('Add', ['x', 'y'], ['z']), node('Mul', ['x', 'y'], ['w'])],
      initializers: [],
      inputs: [
        { name: 'x', type: 'float32', dims: ['n'] },
        { name: 'y', type: 'float32', dims: ['n'] },
      ],
      outputs: [
        { name: 'z', type: 'float32', dims: ['n'] },
        { name: 'w', type: 'float32', dims: ['n'] },
      ],
    },
    'test',
  );
}

/** A long chain of products, to have a run that can be aborted: seconds for many rows, an instant for one. */
function deepModel(): Uint8Array {
  const weights = new Random(5).floats(WIDTH * WIDTH, 1.7 / Math.sqrt(WIDTH));
  const name = (layer: number): string =>
    layer === 0 ? 'x' : layer === LAYERS ? 'z' : `hidden.${layer}`;
  return encodeModel(
    {
      name: 'deep',
      nodes: Array.from({ length: LAYERS }, (_, layer) =>
        node('MatMul', [name(layer), 'weights'], [name(layer + 1)]),
      ),
      initializers: [floats('weights', [WIDTH, WIDTH], weights)],
      inputs: [{ name: 'x', type: 'float32', dims: ['n', WIDTH] }],
      outputs: [{ name: 'z', type: 'float32', dims: ['n', WIDTH] }],
    },
    'test',
  );
}

function vector(values: readonly number[]): TensorView {
  return { type: 'float32', dims: [values.length], data: Float32Array.from(values) };
}

function rows(count: number, fill: number): TensorView {
  const data = new Float32Array(count * WIDTH).fill(fill);
  return { type: 'float32', dims: [count, WIDTH], data };
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  return assert.fail('nothing was refused');
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  assert.ok(typeof collect === 'function');
  collect();
}

for (const name of ['ffi', 'node'] as const) {
  describe(`the ${name} backend`, () => {
    let backend: Backend;
    let add: Session;
    before(async () => {
      ({ backend } = await openBackend(name));
      add = await backend.createSession(addPath, { numThreads: 1, keepBindings: true });
    });
    after(() => add.dispose());

    test('reports the version of the installed onnxruntime-node', () => {
      const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
      assert.equal(backend.name, name);
      assert.match(backend.version, /^\d+\.\d+\.\d+$/);
      const { version } = createRequire(entry)('../package.json');
      assert.equal(backend.version, version);
    });

    test('names inputs and outputs', () => {
      assert.deepEqual(add.inputNames, ['x', 'y']);
      assert.deepEqual(add.outputNames, ['z', 'w']);
    });

    test('reports the element types of inputs', () => {
      assert.equal(add.inputType('x'), 'float32');
      assert.throws(() => add.inputType('z'), /no input "z"/);
    });

    test('writes an output over its input, and nothing beside it', async () => {
      const memory = Float32Array.of(7, 1, 2, 3, 7);
      const x: TensorView = { type: 'float32', dims: [3], data: memory.subarray(1, 4) };
      const y = vector([10, 20, 30]);
      await add.run({ x, y }, { z: x });
      await add.run({ x, y }, { z: x });
      assert.deepEqual([...memory], [7, 21, 42, 63, 7]);
    });

    test('follows tensors that move, grow and shrink between runs', async () => {
      const memory = new Float32Array(64);
      const random = new Random(11);
      for (let run = 0; run < 200; run += 1) {
        const length = 1 + random.below(16);
        const at = random.below(16);
        const x = vector([...random.floats(length)]);
        const y = run % 3 === 0 ? x : vector([...random.floats(length)]);
        const data = memory.subarray(at, at + length);
        await add.run({ x, y }, { z: { type: 'float32', dims: [length], data } });
        const expected = [...x.data].map((value, index) =>
          Math.fround(Number(value) + Number(y.data[index])),
        );
        assert.deepEqual([...data], expected);
      }
    });

    test('computes the requested outputs, in any combination', async () => {
      const [x, y] = [vector([3, 5]), vector([2, 4])];
      const fresh = (): TensorView => vector([0, 0]);
      const [sum, product, both] = [fresh(), fresh(), { z: fresh(), w: fresh() }];
      await add.run({ x, y }, { z: sum });
      await add.run({ x, y }, { w: product });
      await add.run({ x, y }, both);
      const sums = [5, 9];
      const products = [6, 20];
      assert.deepEqual([[...sum.data], [...product.data]], [sums, products]);
      assert.deepEqual([[...both.z.data], [...both.w.data]], [sums, products]);
    });

    test('accepts tensors without elements', async () => {
      const empty = vector([]);
      await add.run({ x: empty, y: empty }, { z: vector([]) });
    });

    test('rejects tensors that do not fit, by name and number', async () => {
      const x = vector([1, 2]);
      const z = vector([0, 0]);
      const cases: [Promise<void>, RegExp][] = [
        [add.run({ x }, { z }), /input "y" is missing/],
        [add.run({ x, y: x, q: x }, { z }), /no input "q"; it has x, y/],
        [add.run({ x, y: x }, { q: z }), /no output "q"; it has z, w/],
        [
          add.run({ x, y: { ...x, dims: [3] } }, { z }),
          /"y" is float32 \[3\], 12 bytes, but its memory has 8 bytes/,
        ],
      ];
      for (const [refused, message] of cases) {
        const error = await rejection(refused);
        assert.ok(error instanceof RuntimeError);
        assert.match(error.message, message);
      }
    });

    test("passes on ONNX Runtime's message and runs again", async () => {
      const [two, three] = [vector([1, 2]), vector([1, 2, 3])];
      const error = await rejection(add.run({ x: two, y: three }, { z: vector([0, 0, 0]) }));
      assert.ok(error instanceof RuntimeError);
      assert.match(error.message, /broadcast/i);
      const matrix: TensorView = { type: 'float32', dims: [1, 2], data: new Float32Array(2) };
      const rank = await rejection(add.run({ x: matrix, y: two }, { z: two }));
      assert.match(rank.message, /rank/i);
      const z = vector([0, 0]);
      await add.run({ x: two, y: two }, { z });
      assert.deepEqual([...z.data], [2, 4]);
    });

    test('names the file that cannot be loaded', async () => {
      const missing = join(folder, 'missing.onnx');
      const broken = join(folder, 'broken.onnx');
      await writeFile(broken, 'no model');
      for (const path of [missing, broken]) {
        const error = await rejection(backend.createSession(path, { numThreads: 1 }));
        assert.ok(error instanceof RuntimeError);
        assert.ok(error.message.includes(path), error.message);
      }
    });

    test('rejects a run on a disposed session, which can be disposed twice', async () => {
      const session = await backend.createSession(addPath, { numThreads: 1 });
      await session.dispose();
      await session.dispose();
      const refused = session.run({ x: vector([1]), y: vector([1]) }, { z: vector([1]) });
      assert.match((await rejection(refused)).message, /disposed/);
    });

    test('ends with an AbortError when the signal was aborted before', async () => {
      const z = vector([SENTINEL]);
      const reason = new Error('the caller left');
      const signal = AbortSignal.abort(reason);
      const error = await rejection(add.run({ x: vector([1]), y: vector([1]) }, { z }, signal));
      assert.equal(error.name, 'AbortError');
      assert.equal(error.cause, reason);
      assert.deepEqual([...z.data], [SENTINEL]);
    });

    test('opens and disposes sessions without keeping memory', async () => {
      const cycle = async (): Promise<void> => {
        const session = await backend.createSession(deepPath, { numThreads: 1 });
        const z = rows(1, 0);
        await session.run({ x: rows(1, 1), y: z }, { z }).catch(() => undefined);
        await session.run({ x: rows(1, 1) }, { z });
        await session.dispose();
      };
      const count = repetitions(90, 45);
      for (let index = 0; index < count / 3; index += 1) await cycle();
      collectGarbage();
      const settled = process.memoryUsage().rss;
      for (let index = 0; index < count; index += 1) await cycle();
      collectGarbage();
      const grown = process.memoryUsage().rss - settled;
      // One session holds the 256 KiB of weights twice and 300 nodes: leaked sessions exceed the limit by far.
      assert.ok(
        grown < repetitions(16, 12) * MEBIBYTE,
        `${Math.round(grown / MEBIBYTE)} MiB more after ${count} sessions`,
      );
    });

    test('binds other memory for every run without keeping it', async () => {
      const run = async (): Promise<void> => {
        const length = 2 ** 16;
        const x: TensorView = { type: 'float32', dims: [length], data: new Float32Array(length) };
        await add.run({ x, y: x }, { z: x });
      };
      for (let index = 0; index < 100; index += 1) await run();
      collectGarbage();
      const settled = process.memoryUsage().rss;
      for (let index = 0; index < 1000; index += 1) await run();
      collectGarbage();
      const grown = process.memoryUsage().rss - settled;
      // A leak would keep all 250 MiB. The garbage collector may be tens of MiB behind on a busy machine.
      assert.ok(grown < 128 * MEBIBYTE, `${Math.round(grown / MEBIBYTE)} MiB more after 250 MiB`);
    });

    test('binds small tensors anew for every run without keeping them', async () => {
      const pair = [vector([1]), vector([2])] as const;
      const run = async (count: number): Promise<number> => {
        for (let index = 0; index < count; index += 1) {
          const x = pair[index % 2]!;
          await add.run({ x, y: x }, { z: pair[(index + 1) % 2]!, w: x });
        }
        collectGarbage();
        const { rss, heapTotal } = process.memoryUsage();
        return rss - heapTotal;
      };
      const count = repetitions(80_000, 40_000);
      const settled = await run(count / 8);
      const grown = (await run(count)) - settled;
      // A native tensor takes about 250 bytes; 4 a run would be 38 MiB after 40,000 runs.
      assert.ok(
        grown < repetitions(32, 26) * MEBIBYTE,
        `${Math.round(grown / MEBIBYTE)} MiB more after ${count} runs`,
      );
    });
  });
}

describe('the ffi backend, off the main thread', () => {
  let backend: Backend;
  let deep: Session;
  before(async () => {
    ({ backend } = await openBackend('ffi'));
    deep = await backend.createSession(deepPath, { numThreads: 1, keepBindings: true });
  });
  after(() => deep.dispose());

  test('leaves the event loop free while it runs', async () => {
    let turns = 0;
    let running = true;
    const run = deep.run({ x: rows(64, 1) }, { z: rows(64, 0) }).finally(() => {
      running = false;
    });
    while (running) {
      await setImmediate();
      turns += 1;
    }
    await run;
    assert.ok(turns > 10, `the loop turned ${turns} times`);
  });

  test('stops a run in the middle, and the session runs again', async () => {
    const fresh = rows(1, 0);
    await deep.run({ x: rows(1, 1) }, { z: fresh });
    for (let round = 0; round < 3; round += 1) {
      const z = rows(4096, SENTINEL);
      const controller = new AbortController();
      const run = deep.run({ x: rows(4096, 1) }, { z }, controller.signal);
      for (let turn = 0; turn < 20; turn += 1) await setImmediate();
      controller.abort(new Error('enough'));
      const error = await rejection(run);
      assert.equal(error.name, 'AbortError');
      assert.ok(error.cause instanceof Error && error.cause.message === 'enough');
      // The last product writes z: untouched memory shows that the run did not reach it.
      assert.ok(z.data.every((value) => value === SENTINEL));
      const again = rows(1, 0);
      await deep.run({ x: rows(1, 1) }, { z: again });
      assert.deepEqual(again.data, fresh.data);
    }
  });

  test('rejects a second run during the first', async () => {
    const first = deep.run({ x: rows(32, 1) }, { z: rows(32, 0) });
    const second = await rejection(deep.run({ x: rows(1, 1) }, { z: rows(1, 0) }));
    assert.match(second.message, /must not overlap/);
    await first;
  });

  test('runs two sessions at the same time', async () => {
    const other = await backend.createSession(deepPath, { numThreads: 1 });
    const [left, right] = [rows(8, 0), rows(8, 0)];
    await Promise.all([
      deep.run({ x: rows(8, 1) }, { z: left }),
      other.run({ x: rows(8, 1) }, { z: right }),
    ]);
    assert.deepEqual(left.data, right.data);
    await other.dispose();
  });

  test('ends the run in progress before it frees the memory', async () => {
    const session = await backend.createSession(deepPath, { numThreads: 1 });
    const z = rows(4096, SENTINEL);
    const run = rejection(session.run({ x: rows(4096, 1) }, { z }));
    await setImmediate();
    await session.dispose();
    assert.ok((await run) instanceof RuntimeError);
    assert.ok(z.data.every((value) => value === SENTINEL));
  });

  test('keeps the library loaded when garbage is collected', async () => {
    for (let round = 0; round < 5; round += 1) {
      collectGarbage();
      await setImmediate();
    }
    const z = rows(1, SENTINEL);
    await deep.run({ x: rows(1, 1) }, { z });
    assert.notEqual(z.data[0], SENTINEL);
  });

  test('keeps small tensors in place when garbage is collected during a run', async () => {
    const x = new Float32Array(2);
    x.set([1, 2]);
    const add = await backend.createSession(addPath, { numThreads: 1, keepBindings: true });
    const tensor: TensorView = { type: 'float32', dims: [2], data: x };
    for (let round = 0; round < 20; round += 1) {
      const run = add.run({ x: tensor, y: tensor }, { z: tensor });
      collectGarbage();
      await run;
    }
    assert.deepEqual([...x], [2 ** 20, 2 ** 21]);
    await add.dispose();
  });
});

describe('openBackend', () => {
  test('takes the ffi backend for auto where it works, without a reason', async () => {
    const { backend, fallbackReason } = await openBackend('auto');
    assert.equal(backend.name, 'ffi');
    assert.equal(fallbackReason, undefined);
  });

  test('says what to install when a provider is missing', {
    skip: HAS_CUDA,
  }, async () => {
    const request = { id: 0, memoryLimit: null };
    await assert.rejects(
      openBackend('auto', { ...request, preference: 'cuda' }),
      /--device cuda cannot be used: Failed to load .*onnxruntime_providers.* installer \(node node_modules/,
    );
    await assert.rejects(
      openBackend('node', { ...request, preference: 'webgpu' }),
      /--backend node computes on the CPU only, not on --device webgpu/,
    );
    const { backend } = await openBackend('node', { ...request, preference: 'auto' });
    assert.equal(backend.device, null);
  });

  test('says that WebGPU has no Vulkan driver, and takes the CPU for auto with the reason', {
    skip: HAS_CUDA || !IS_LINUX,
  }, () => {
    const script = `
      const { openBackend } = await import(process.argv[1]);
      const request = { id: 0, memoryLimit: null };
      const { backend, deviceReason } = await openBackend('auto', { ...request, preference: 'auto' });
      const refused = await openBackend('auto', { ...request, preference: 'webgpu' }).catch((error) => error.message);
      console.log(JSON.stringify({ device: backend.device, deviceReason, refused }));
    `;
    const module = new URL('../../../../src/engine/runtime/backend.js', import.meta.url).href;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, module], {
      encoding: 'utf8',
      env: {
        ...process.env,
        VK_ICD_FILENAMES: '/no-driver.json',
        VK_DRIVER_FILES: '/no-driver.json',
      },
    });
    const { device, deviceReason, refused } = JSON.parse(child.stdout);
    assert.equal(device, null);
    assert.match(deviceReason, /^cuda: .* not installed; webgpu: there is no Vulkan driver$/);
    assert.match(
      refused,
      /--device webgpu cannot be used: Failed to get a WebGPU adapter.*libvulkan1/,
    );
  });

  test('falls back from auto to the node backend and says why, and rejects ffi', () => {
    // koffi rejects the setting after a library was loaded elsewhere in the process: a real failure of the FFI backend.
    const script = `
      import koffi from 'koffi';
      koffi.load(null);
      const { openBackend } = await import(process.argv[1]);
      const { backend, fallbackReason } = await openBackend('auto');
      const refused = await openBackend('ffi').catch((error) => error.message);
      console.log(JSON.stringify({ name: backend.name, fallbackReason, refused }));
    `;
    const module = new URL('../../../../src/engine/runtime/backend.js', import.meta.url).href;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, module], {
      encoding: 'utf8',
    });
    const { name, fallbackReason, refused } = JSON.parse(child.stdout);
    assert.equal(name, 'node');
    assert.match(fallbackReason, /Koffi configuration/);
    assert.equal(refused, fallbackReason);
  });
});
