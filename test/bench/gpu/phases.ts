import { join } from 'node:path';
import type { Precision } from '../../../src/package/manifest.ts';
import { R4B_CONFIG, SMALL_R4B_CONFIG } from '../../helpers/r4b-checkpoint.ts';
import type { BandwidthJob } from './bandwidth.ts';
import type { CorrectnessJob } from './correctness.ts';
import type { DeviceName } from './open-on.ts';
import type { PrepareJob } from './prepare.ts';
import type { Phase } from './run-phases.ts';
import type { SpeedJob } from './speed.ts';

export interface BenchSettings {
  /** Folder for checkpoints, packages and results. */
  readonly work: string;
  readonly quick: boolean;
  readonly devices: readonly DeviceName[];
  readonly precisions: readonly Precision[];
  readonly batches: readonly number[];
  readonly threads: number;
  readonly rounds: number;
  /** Python with torch and transformers. */
  readonly python: string;
  /** Where PyTorch runs. */
  readonly torchDevice: 'cuda' | 'cpu';
}

/** Sizes that are smaller in a quick run. */
interface Scale {
  readonly contextTokens: number;
  readonly steps: number;
  readonly promptLength: number;
  readonly promptChunks: readonly number[];
  readonly mebibytes: number;
  readonly tiles: number;
}
const FULL: Scale = {
  contextTokens: 128,
  steps: 48,
  promptLength: 2048,
  promptChunks: [512, 2048],
  mebibytes: 512,
  tiles: 5,
};
const QUICK: Scale = {
  contextTokens: 16,
  steps: 8,
  promptLength: 64,
  promptChunks: [32, 64],
  mebibytes: 16,
  tiles: 5,
};
/** A quick copy takes milliseconds, so several rounds cost little, and their median holds on a busy machine. */
const QUICK_COPY_ROUNDS = 5;
/** The small model is compared in all of them; the last is the one whose tokens must be the CPU's. */
const SMALL_PRECISIONS: readonly Precision[] = ['int4', 'fp16', 'fp32'];

/** Returns all phases. The quick and telling ones come first, for machines that are available for a short time only. */
export function benchPhases(settings: BenchSettings): Phase[] {
  const phases = [
    ...preparation(settings),
    ...settings.devices.flatMap((device) => [
      bandwidth(settings, device),
      ...SMALL_PRECISIONS.map((precision) => correctness(settings, device, 'small', precision)),
    ]),
    ...peers(settings),
    ...settings.precisions.flatMap((precision) =>
      settings.devices.map((device) => speed(settings, device, precision)),
    ),
    ...settings.precisions.flatMap((precision) =>
      settings.devices.map((device) => correctness(settings, device, 'full', precision)),
    ),
  ];
  return phases.map((phase) => (settings.quick ? { ...phase, budgetS: 120 } : phase));
}

type Size = PrepareJob['size'];

function checkpointDir({ work }: BenchSettings, size: Size): string {
  return join(work, `${size}-checkpoint`);
}

function packageDir({ work }: BenchSettings, size: Size, precision: Precision): string {
  return join(work, `${size}-${precision}`);
}

function preparation(settings: BenchSettings): Phase[] {
  const prepare = (size: Size, precision?: Precision): Phase => {
    // In a quick run the full model is small too.
    const job: PrepareJob = {
      checkpointDir: checkpointDir(settings, size),
      size: settings.quick ? 'small' : size,
      ...(precision && { packageDir: packageDir(settings, size, precision), precision }),
    };
    return {
      id: packageId(size, precision),
      queue: 'host',
      needs: precision ? [packageId(size)] : [],
      command: node('prepare', job),
      budgetS: 600,
    };
  };
  return [
    prepare('small'),
    ...SMALL_PRECISIONS.map((precision) => prepare('small', precision)),
    prepare('full'),
    ...settings.precisions.map((precision) => prepare('full', precision)),
  ];
}

function packageId(size: Size, precision?: Precision): string {
  return precision ? `convert:${size}-${precision}` : `checkpoint:${size}`;
}

function bandwidth(settings: BenchSettings, device: DeviceName): Phase {
  const { mebibytes } = scaleOf(settings);
  const job: BandwidthJob = {
    device,
    mebibytes,
    rounds: settings.quick ? QUICK_COPY_ROUNDS : settings.rounds,
  };
  return {
    id: `copy:${device}`,
    queue: 'device',
    needs: [],
    command: node('bandwidth', job),
    budgetS: 60,
  };
}

function correctness(
  settings: BenchSettings,
  device: DeviceName,
  size: Size,
  precision: Precision,
): Phase {
  const job: CorrectnessJob = {
    column: `${device} ${precision}`,
    model: size,
    device,
    packageDir: packageDir(settings, size, precision),
    threads: settings.threads,
    steps: 8,
  };
  return {
    id: `correct:${device}:${size}-${precision}`,
    queue: 'device',
    needs: [packageId(size, precision), `copy:${device}`],
    command: node('correctness', job),
    budgetS: size === 'small' ? 90 : 240,
  };
}

function speed(settings: BenchSettings, device: DeviceName, precision: Precision): Phase {
  const scale = scaleOf(settings);
  const most = Math.max(...settings.batches);
  const job: SpeedJob = {
    column: `${device} ${precision}`,
    device,
    packageDir: packageDir(settings, 'full', precision),
    threads: settings.threads,
    numSlots: most,
    slotCapacity: Math.max(scale.promptLength, scale.contextTokens + 3 * scale.steps + 2 * most),
    batches: settings.batches,
    rounds: settings.rounds,
    ...scale,
  };
  return {
    id: `speed:${device}:${precision}`,
    queue: 'device',
    needs: [packageId('full', precision), `copy:${device}`],
    command: node('speed', job),
    budgetS: 240,
  };
}

/** PyTorch: bandwidth, then transformers with its default settings, then with the static cache, which compiles slowly. */
function peers(settings: BenchSettings): Phase[] {
  const { rounds, batches, quick, torchDevice: device } = settings;
  const scale = scaleOf(settings);
  const { model_type: _text, ...text } = (quick ? SMALL_R4B_CONFIG : R4B_CONFIG).text_config;
  const { model_type: _vision, ...vision } = (quick ? SMALL_R4B_CONFIG : R4B_CONFIG).vision_config;
  const dtype = device === 'cpu' ? 'float32' : 'float16';
  const peer = (id: string, budgetS: number, job: Record<string, unknown>): Phase => {
    const argument = JSON.stringify({ device, dtype, rounds, ...job });
    const command = [settings.python, join('test', 'bench', 'gpu', 'peer.py'), argument];
    return { id, queue: 'device', needs: [], command, budgetS };
  };
  const model = { text_config: text, vision_config: vision, batches, steps: scale.steps };
  const generate = {
    task: 'generate',
    ...model,
    context_tokens: scale.contextTokens,
    // A round costs as much as all tokens of a reply: three rounds are enough.
    rounds: Math.min(rounds, 3),
  };
  const [dynamic, fixed] = [`transformers ${dtype}`, `transformers ${dtype}, static cache`];
  return [
    peer('copy:torch', 60, { task: 'copy', mebibytes: 8 * scale.mebibytes }),
    peer('transformers', 240, {
      ...generate,
      column: dynamic,
      static_cache: false,
      prompt_length: scale.promptLength,
    }),
    peer('transformers:images', 60, {
      ...model,
      task: 'images',
      column: dynamic,
      tiles: scale.tiles,
    }),
    peer('transformers:static', 300, {
      ...generate,
      column: fixed,
      static_cache: true,
      prompt_length: 0,
    }),
  ];
}

function scaleOf({ quick }: BenchSettings): Scale {
  return quick ? QUICK : FULL;
}

function node(script: string, job: unknown): string[] {
  const file = new URL(`./${script}.js`, import.meta.url).pathname;
  return [process.execPath, '--enable-source-maps', file, JSON.stringify(job)];
}
