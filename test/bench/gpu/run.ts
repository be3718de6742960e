/**
 * Benchmarks a GPU and prints one table:
 *
 *   npm run bench:gpu -- --work /tmp/gpu-bench
 *
 * The command writes a random checkpoint of R-4B's shapes, converts it to fp16 and int4, and measures each package on
 * each device: decoding at several batch sizes, prompts, images, and the distance of its results from the CPU's. It
 * compares them with PyTorch and transformers on the same shapes, and with the device's copy bandwidth.
 *
 * It needs 26 GB of disk, 32 GB of memory and 32 GB on the device, python3 with torch and transformers for the
 * comparison, and about 20 minutes. An interrupted run prints the table so far; the same command continues it.
 *
 *   --devices webgpu,cuda        --precisions int4,fp16     --batches 1,8,32    --rounds 5     --threads N
 *   --only speed:webgpu          runs the phases whose names begin so, and the phases they need; --list names them
 *   --budget 540                 seconds in all; phases that do not fit are left for the next run
 *   --python python3             --torch-device cuda
 *   --again speed,copy           measures these phases again; --fresh repeats everything, models included
 *   --quick                      tiny shapes, to see that the bench works on a CPU (--devices cpu --torch-device cpu)
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PRECISIONS, type Precision } from '../../../src/package/manifest.ts';
import { inspectMachine } from './checks.ts';
import { DEVICES } from './open-on.ts';
import { runPhaseProcess, stopRunningPhases } from './phase-process.ts';
import { type BenchSettings, benchPhases } from './phases.ts';
import { formatResults } from './report.ts';
import { Results } from './results.ts';
import { type Ending, type Phase, runPhases } from './run-phases.ts';

/** With fewer cores, preparing models would disturb the measurements beside it. */
const CORES_TO_WORK_BESIDE = 8;

const { values } = parseArgs({
  options: {
    work: { type: 'string', default: '/tmp/thinkgate-gpu-bench' },
    devices: { type: 'string', default: 'webgpu,cuda' },
    precisions: { type: 'string', default: 'int4,fp16' },
    batches: { type: 'string', default: '1,8,32' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    python: { type: 'string', default: 'python3' },
    'torch-device': { type: 'string', default: 'cuda' },
    only: { type: 'string' },
    again: { type: 'string' },
    budget: { type: 'string' },
    quick: { type: 'boolean', default: false },
    fresh: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

function listOf<Name extends string>(
  flag: 'devices' | 'precisions',
  known: readonly Name[],
): Name[] {
  return values[flag].split(',').map((word) => {
    const name = known.find((candidate) => candidate === word);
    if (name === undefined)
      throw new Error(`--${flag} takes ${known.join(', ')}; it has ${JSON.stringify(word)}.`);
    return name;
  });
}

const settings: BenchSettings = {
  work: values.work,
  quick: values.quick,
  devices: listOf('devices', DEVICES),
  precisions: listOf<Precision>('precisions', PRECISIONS),
  batches: values.batches.split(',').map(Number),
  rounds: values.quick ? 1 : Number(values.rounds),
  threads: Number(values.threads),
  python: values.python,
  torchDevice: values['torch-device'] === 'cpu' ? 'cpu' : 'cuda',
};

function begins(flag: string | undefined): (id: string) => boolean {
  const starts = flag?.split(',') ?? [];
  return (id) => starts.some((start) => id.startsWith(start));
}

/** Returns the requested phases and the phases they need. */
function chosen(phases: readonly Phase[]): Phase[] {
  if (values.only === undefined) return [...phases];
  const isAskedFor = begins(values.only);
  const wanted = new Set(phases.filter(({ id }) => isAskedFor(id)).map(({ id }) => id));
  if (wanted.size === 0) throw new Error(`--only ${values.only}: no phase begins so; see --list.`);
  for (const id of wanted)
    for (const need of phases.find((phase) => phase.id === id)?.needs ?? []) wanted.add(need);
  return phases.filter(({ id }) => wanted.has(id));
}

async function packageHashes(): Promise<string[]> {
  const lines: string[] = [];
  for (const precision of settings.precisions) {
    const file = join(settings.work, `full-${precision}`, 'manifest.json');
    if (!existsSync(file)) continue;
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    lines.push(`full-${precision}: manifest sha256 ${digest.slice(0, 16)}`);
  }
  return lines;
}

async function main(): Promise<void> {
  const phases = chosen(benchPhases(settings));
  if (values.list) {
    for (const { id, budgetS } of phases) console.log(`${id}  (at most ${budgetS} s)`);
    return;
  }
  if (values.fresh) await rm(settings.work, { recursive: true, force: true });
  await mkdir(settings.work, { recursive: true });
  const hasModels = existsSync(join(settings.work, 'full-checkpoint'));
  const machine = await inspectMachine(settings.work, { python: settings.python, hasModels });
  for (const line of machine.lines) console.log(line);
  if (!settings.quick && machine.faults.length > 0) {
    for (const fault of machine.faults) console.error(fault);
    process.exitCode = 1;
    return;
  }
  await measure(phases);
}

async function measure(phases: readonly Phase[]): Promise<void> {
  const file = join(settings.work, 'results.jsonl');
  const { work: _work, python: _python, devices: _devices, ...compared } = settings;
  const results = new Results(file, compared);
  const isAgain = begins(values.again);
  const started = performance.now();
  const secondsLeft = (): number =>
    Number(values.budget ?? Number.POSITIVE_INFINITY) - (performance.now() - started) / 1000;
  const finish = async (): Promise<void> => {
    console.log('');
    for (const line of await packageHashes()) console.log(line);
    console.log(
      `threads ${settings.threads}, rounds ${settings.rounds}; medians; all lines in ${file}`,
    );
    console.log(formatResults(results.samples, results.ends, settings.batches));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stopRunningPhases();
      void finish().then(() => process.exit(1));
    });
  }
  await runPhases(phases, {
    done: new Set([...results.done].filter((id) => !isAgain(id))),
    beside: availableParallelism() >= CORES_TO_WORK_BESIDE,
    secondsLeft,
    run: (phase, limitS) => {
      results.start(phase.id);
      console.log(`${phase.id} …`);
      return runPhaseProcess(phase, limitS, (sample) => results.sample(phase.id, sample));
    },
    onEnd: (phase, ending) => tell(results, phase, ending),
  });
  await finish();
}

function tell(results: Results, { id }: Phase, ending: Ending): void {
  // A phase of an earlier run keeps its line.
  if (ending.end === 'done' && results.done.has(id)) return;
  results.end(id, ending);
  const more = ending.end === 'done' ? `${ending.seconds.toFixed(1)} s` : ending.reason;
  console.log(`${id}: ${ending.end}, ${more}`);
}

await main();
