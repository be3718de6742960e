/** Text that describes a package, for `thinkgate inspect`. */

import type { Manifest } from './manifest.ts';
import { packageDigest } from './manifest.ts';
import type { ThinkingProfiles } from './profile.ts';
import type { Protocol } from './protocol.ts';

type Row = readonly [label: string, value: string];

/** @returns lines of text, the last one ended by a line feed */
export function describePackage(manifest: Manifest): string {
  const sections = [
    rows([
      ['name', manifest.name],
      [
        'architecture',
        `${manifest.architecture} (${manifest.provenance.architectures.join(', ')})`,
      ],
      ['precision', precision(manifest)],
      ['prefill', manifest.prefill ? 'a prefill graph with int8 linears' : 'by the decoder'],
      ['graphs', graphTypes(manifest)],
      ['digest', `${packageDigest(manifest)} (of its files and protocol)`],
      ['parameters', parameters(manifest)],
    ]),
    section('text', textRows(manifest)),
    manifest.vision ? section('vision', visionRows(manifest.vision)) : 'vision: none\n',
    section('chat', chatRows(manifest)),
    section('thinking', protocolRows(manifest.thinking)),
    ...(manifest.profiles === undefined
      ? []
      : [section('profiles', profileRows(manifest.profiles))]),
    section('files', fileRows(manifest)),
    notes(manifest.provenance.notes),
  ];
  return sections.join('\n');
}

function precision({ precision: name, blockSize }: Manifest): string {
  return blockSize === undefined ? name : `${name} in blocks of ${blockSize}`;
}

function graphTypes({ gpu, gpuStream = 'float32' }: Manifest): string {
  if (gpu === undefined) return 'float32';
  return `float32 for CPUs, float16 for GPUs (residual stream: ${gpuStream})`;
}

function parameters({ provenance }: Manifest): string {
  const count = provenance.numParameters.toLocaleString('en-US');
  return `${count}, ${provenance.storedDtypes.join(', ')} in the checkpoint`;
}

function textRows({ text, int8Kv }: Manifest): Row[] {
  return [
    ['layers', String(text.numLayers)],
    ['hidden size', String(text.hiddenSize)],
    ['heads', `${text.numHeads} of ${text.headDim}, ${text.numKvHeads} for keys and values`],
    ['vocabulary', `${text.vocabSize}${text.tiedEmbeddings ? ', head tied to the embedding' : ''}`],
    ['positions', `${text.maxPositions}, rotary base ${text.ropeTheta}`],
    ['KV cache', int8Kv === undefined ? 'fp32' : 'fp32 or int8'],
  ];
}

function visionRows(vision: NonNullable<Manifest['vision']>): Row[] {
  const { tileSize, patchSize, patchesPerSide: side } = vision;
  const grids = vision.gridPinpoints.map(([h, w]) => `${h / tileSize}x${w / tileSize}`);
  return [
    ['layers', String(vision.numLayers)],
    ['hidden size', String(vision.hiddenSize)],
    [
      'tile',
      `${tileSize} px in patches of ${patchSize}: ${side}x${side} = ${side * side} features`,
    ],
    ['grids', `${grids.join(' ')} (rows x columns of tiles)`],
    ['resample', vision.resample],
  ];
}

function chatRows({ chat, tokens, sampling }: Manifest): Row[] {
  const image = tokens.image === null ? 'none' : `${chat.imagePlaceholder} = ${tokens.image}`;
  const { temperature, topP, topK, repetitionPenalty } = sampling;
  const drawn = `temperature ${temperature}, top_p ${topP}, top_k ${topK}`;
  const penalty = repetitionPenalty === 1 ? '' : `, repetition penalty ${repetitionPenalty}`;
  return [
    ['end tokens', tokens.eos.join(', ')],
    ['image token', image],
    ['content', chat.contentFormat === 'parts' ? 'list of parts' : 'string'],
    ['tool calls', chat.toolCalls ?? 'in a format that the server does not parse'],
    ['sampling', (temperature === 0 ? 'greedy' : drawn) + penalty],
  ];
}

function protocolRows(protocol: Protocol): Row[] {
  const modes = Object.entries(protocol.modes).map(([mode, settings]): Row => {
    const prefill = settings?.prefill;
    const marked = mode === protocol.defaultMode ? `${mode} (default)` : mode;
    return [
      marked,
      prefill === undefined ? 'by the template' : `prefill ${JSON.stringify(prefill)}`,
    ];
  });
  return [
    ['protocol', `${protocol.name}, evidence: ${protocol.evidence}`],
    ...(protocol.unverified === undefined ? [] : [['not verified', protocol.unverified] as const]),
    ...modes,
    ['budget exit', JSON.stringify(protocol.budget.exit)],
  ];
}

function profileRows(profiles: ThinkingProfiles): Row[] {
  return Object.entries(profiles).map(([name, { threshold, heldOut }]): Row => {
    const { accuracy, tokensShare, numQuestions } = heldOut;
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    const reached = `accuracy ${percent(accuracy.value)} with ${percent(tokensShare.value)} of the tokens`;
    return [
      name,
      `threshold ${threshold.toPrecision(4)}; ${reached} (${numQuestions} held-out questions)`,
    ];
  });
}

function fileRows({ files }: Manifest): Row[] {
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  return [
    ...files.map(({ path, bytes }): Row => [path, formatBytes(bytes)]),
    ['total', formatBytes(total)],
  ];
}

function notes(items: readonly string[]): string {
  if (items.length === 0) return 'notes: none\n';
  return `notes\n${items.map((item) => `  - ${item}\n`).join('')}`;
}

function section(title: string, content: readonly Row[]): string {
  return `${title}\n${rows(content, '  ')}`;
}

function rows(content: readonly Row[], indent = ''): string {
  const width = Math.max(...content.map(([label]) => label.length));
  return content.map(([label, value]) => `${indent}${label.padEnd(width)}  ${value}\n`).join('');
}

/** A size in decimal units (1 kB = 1000 B). */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(2)} ${units[unit]}`;
}
