import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { DEVICE_PREFERENCES } from '../../engine/runtime/device-request.ts';
import { KV_CACHE_KINDS } from '../../package/manifest.ts';
import { decimal, inGroup, integer, list, positive, toggle } from '../option.ts';

const device = inGroup('Devices and memory');
const scheduling = inGroup('Scheduling');

/** Most sequences get no longer than this, so a model's full context would reserve memory for nothing. */
export const MAX_DEFAULT_MODEL_LEN = 16_384;

const MAX_DEVICES = 64;

const deviceIds = list(
  z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,4}$/.test(value) ? Number(value) : value),
    z.number('takes numbers, separated by commas').int().min(0),
  ),
)
  .refine((ids) => ids.length <= MAX_DEVICES, `takes at most ${MAX_DEVICES} devices`)
  .refine(
    (ids) => new Set(ids).size === ids.length,
    'names a device twice; see --data-parallel-size',
  );

/** What computes, with how much memory, and how requests share it. */
export const ENGINE_OPTIONS = {
  device: device({
    flags: '--device <name>',
    schema: z.enum(DEVICE_PREFERENCES),
    default: 'auto',
    help: 'Device to run on: cpu, webgpu, cuda, or auto (CUDA, else WebGPU on a GPU, else the CPU).',
  }),
  deviceId: device({
    flags: '--device-id <numbers>',
    schema: deviceIds,
    default: null,
    defaultHelp: '0',
    help: 'CUDA devices, separated by commas; each gets an engine process.',
  }),
  deviceMemoryMb: device({
    flags: '--device-memory-mb <size>',
    schema: decimal(z.number().min(1)),
    default: null,
    defaultHelp: 'no limit',
    help: 'Most CUDA memory in MiB for each of decoder, vision tower, embedding and KV cache.',
  }),
  threads: device({
    flags: '--threads <count>',
    schema: integer(1, 256),
    default: availableParallelism(),
    defaultHelp: 'one for each core',
    help: 'CPU threads of one operator, divided among the engine processes.',
  }),
  backend: device({
    flags: '--backend <name>',
    schema: z.enum(['auto', 'ffi', 'node']),
    default: 'auto',
    help: 'Binding of ONNX Runtime: ffi (in place), node (onnxruntime-node, copies), or auto (ffi where it loads).',
  }),
  maxModelLen: device({
    flags: '--max-model-len <tokens>',
    schema: integer(16),
    default: null,
    defaultHelp: `the model's, at most ${MAX_DEFAULT_MODEL_LEN}`,
    help: 'Longest sequence, prompt and output together.',
  }),
  kvCacheDtype: device({
    flags: '--kv-cache-dtype <type>',
    schema: z.enum(KV_CACHE_KINDS),
    default: 'fp32',
    help: 'Element type of the KV cache: fp32 (fp16 on GPUs), or int8 (CPU only; the package needs `thinkgate quantize-kv`).',
  }),
  enablePrefixCaching: device({
    flags: '--no-enable-prefix-caching',
    schema: toggle,
    default: true,
    help: 'Compute every prompt from its first token, without reusing the KV cache of earlier requests.',
  }),
  featureCacheMb: device({
    flags: '--feature-cache-mb <size>',
    schema: decimal(z.number().min(0)),
    default: 256,
    help: 'Size of the cache of image features in MiB; 0 turns it off.',
  }),
  prefillGraph: device({
    flags: '--no-prefill-graph',
    schema: toggle,
    default: true,
    help: "Do not load the package's prefill graph: saves its memory, slows down prefill.",
  }),
  verify: device({
    flags: '--verify',
    schema: toggle,
    default: false,
    help: 'Check the sha256 of every file of the package at start.',
  }),
  dataParallelSize: scheduling({
    flags: '--data-parallel-size <count>',
    schema: integer(1, 64),
    default: null,
    defaultHelp: '1, or one for each --device-id',
    help: 'Engine processes, each with its own copy of the model.',
  }),
  maxNumSeqs: scheduling({
    flags: '--max-num-seqs <count>',
    schema: integer(1, 256),
    default: 4,
    help: 'Most sequences that one engine process runs at once.',
  }),
  maxNumThinkingSeqs: scheduling({
    flags: '--max-num-thinking-seqs <count>',
    schema: integer(1, 256),
    default: null,
    defaultHelp: 'three in four of --max-num-seqs',
    help: 'Most thinking sequences while other requests wait.',
  }),
  maxQueue: scheduling({
    flags: '--max-queue <count>',
    schema: integer(0),
    default: 64,
    help: 'Most waiting requests; further ones get status 503.',
  }),
  prefillChunk: scheduling({
    flags: '--prefill-chunk <tokens>',
    schema: integer(1),
    default: 256,
    help: 'Most prompt tokens computed in one step, between two tokens of the running sequences.',
  }),
  maxStallMs: scheduling({
    flags: '--max-stall-ms <time>',
    schema: positive(60_000),
    default: 500,
    help: 'Longest time in ms that prefill may delay the next token of the running sequences.',
  }),
  speculativeDecoding: scheduling({
    flags: '--no-speculative-decoding',
    schema: toggle,
    default: true,
    help: 'Do not draft tokens by prompt lookup while one sequence runs alone.',
  }),
} as const;
