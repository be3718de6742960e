import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);
const GB = 1e9;

/** Resources of a run at full size. */
const NEEDED = {
  /** GB: checkpoint 9.7, fp16 9.8, int4 3.8, small models 1. */
  diskBytes: 26 * GB,
  /** The CPU, whose results are the reference, widens float16 weights to float32. */
  memoryBytes: 32 * GB,
  /** Weights, the KV cache of 32 sequences, and workspace. */
  deviceBytes: 32 * GB,
} as const;

export interface Machine {
  readonly lines: readonly string[];
  /** Resources that are too small for a run at full size. */
  readonly faults: readonly string[];
}

/** @param hasModels whether the models exist already and need no more disk */
export async function inspectMachine(
  work: string,
  { python, hasModels }: { python: string; hasModels: boolean },
): Promise<Machine> {
  const { bavail, bsize } = await statfs(work);
  const disk = bavail * bsize;
  const gpu = await nvidiaGpu();
  const lines = [
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} threads, ${gb(totalmem())}, Node ${process.version}`,
    `${gb(disk)} free in ${work}`,
    gpu?.line ?? 'no answer from nvidia-smi',
    await pythonLine(python),
  ];
  const faults = [
    ...(hasModels ? [] : short('of disk', work, NEEDED.diskBytes, disk)),
    ...short('of memory', 'this machine', NEEDED.memoryBytes, freemem()),
    ...(gpu ? short('of device memory', gpu.name, NEEDED.deviceBytes, gpu.freeBytes) : []),
  ];
  return { lines, faults };
}

function short(what: string, where: string, needed: number, found: number): string[] {
  return found >= needed
    ? []
    : [`${gb(needed)} ${what} are needed, ${where} has ${gb(found)} free.`];
}

function gb(bytes: number): string {
  return `${(bytes / GB).toFixed(1)} GB`;
}

interface Gpu {
  readonly name: string;
  readonly freeBytes: number;
  readonly line: string;
}

/** @returns undefined without an NVIDIA driver; WebGPU finds other devices itself */
async function nvidiaGpu(): Promise<Gpu | undefined> {
  const query = '--query-gpu=name,driver_version,memory.free';
  try {
    const { stdout } = await run('nvidia-smi', [query, '--format=csv,noheader,nounits']);
    const [name = '', driver = '', mebibytes = ''] = (stdout.split('\n')[0] ?? '').split(', ');
    const freeBytes = Number(mebibytes) * 2 ** 20;
    return { name, freeBytes, line: `${name}, driver ${driver}, ${gb(freeBytes)} free` };
  } catch {
    return undefined;
  }
}

async function pythonLine(python: string): Promise<string> {
  const script =
    'import torch, transformers; print(f"torch {torch.__version__}, transformers {transformers.__version__}, CUDA {torch.cuda.is_available()}")';
  try {
    const { stdout } = await run(python, ['-c', script]);
    return `${python}: ${stdout.trim()}`;
  } catch {
    return `!!! ${python} has no torch and transformers: NOTHING is compared with them (--python names another)`;
  }
}
