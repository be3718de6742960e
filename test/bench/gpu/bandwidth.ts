/**
 * Measures how fast a device copies its own memory, through ONNX Runtime alone. Runs as a process of its own.
 *
 * The graph expands one number to a large tensor, negates it many times and reduces it to one number again, so that
 * nothing large crosses the bus. Each negation reads the tensor once and writes it once. The time of one negation is
 * the difference between two graphs that differ in the number of negations only.
 */
import { encodeModel, plainNode } from '../../../src/onnx/model-proto.ts';
import { median } from '../paired.ts';
import { type DeviceName, openOn } from './open-on.ts';
import { emit, jobArgument } from './sample.ts';

export interface BandwidthJob {
  readonly device: DeviceName;
  /** Size of the tensor that is copied: far larger than any processor cache. */
  readonly mebibytes: number;
  readonly rounds: number;
}

const FEW = 2;
const MANY = 22;

const { device, mebibytes, rounds } = jobArgument<BandwidthJob>();
const numElements = mebibytes * 2 ** 18;
const backend = await openOn(device);
const [few, many] = [await medianMs(FEW), await medianMs(MANY)];
if (many <= few) throw new Error('The machine is too busy: more copies took less time.');
const bytes = 2 * 4 * numElements * (MANY - FEW);
emit({
  what: 'copy',
  column: device,
  value: bytes / ((many - few) / 1000),
  unit: 'bytes a second, read and written',
  detail: { mebibytes, fewMs: few, manyMs: many },
});

async function medianMs(numCopies: number): Promise<number> {
  const session = await backend.createSession(copyGraph(numCopies), { numThreads: 1 });
  const times: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const one = { type: 'float32', dims: [1] } as const;
    const feeds = { number: { ...one, data: Float32Array.of(round) } };
    const found = Float32Array.of(Number.NaN);
    const started = performance.now();
    await session.run(feeds, { result: { ...one, data: found } });
    if (round >= 0) times.push(performance.now() - started);
    // The number of negations is even.
    if (found[0] !== round) throw new Error(`Copies of ${round} came back as ${found[0]}.`);
  }
  await session.dispose();
  return median(times);
}

function copyGraph(numCopies: number): Uint8Array {
  const copies = Array.from({ length: numCopies }, (_, i) =>
    plainNode('Neg', [`x${i}`], `x${i + 1}`),
  );
  const one = { type: 'float32', dims: [1] } as const;
  const shape = new Uint8Array(BigInt64Array.of(BigInt(numElements)).buffer);
  return encodeModel(
    {
      name: 'copies',
      nodes: [
        plainNode('Expand', ['number', 'shape'], 'x0'),
        ...copies,
        plainNode('ReduceMax', [`x${numCopies}`], 'result'),
      ],
      initializers: [{ name: 'shape', type: 'int64', dims: [1], data: { raw: shape } }],
      inputs: [{ name: 'number', ...one }],
      outputs: [{ name: 'result', ...one }],
    },
    'thinkgate bench',
  );
}
