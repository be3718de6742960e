/** Matches the tensors of a checkpoint with those that the config requires. */
import type { ModelConfig } from '../config/model-config.ts';
import { ConvertError } from '../convert-error.ts';
import { EMBEDDING, expectedTensors, LM_HEAD } from './expected-tensors.ts';
import type { CheckpointTensor } from './safetensors.ts';
import { canonicalName, checkpointName, isRotaryBuffer, unusedReason } from './tensor-names.ts';

/** Elements compared at once. */
const STRETCH = 2 ** 20;

/** The tensors of a model by canonical name; all are present and have the right shapes. */
export interface ModelTensors {
  get(canonical: string): CheckpointTensor;
  /** Whether the head uses the embedding's weights. */
  readonly tied: boolean;
  readonly numParameters: number;
  readonly storedDtypes: readonly string[];
  readonly notes: readonly string[];
}

/**
 * @throws ConvertError that lists every missing, unknown or misshapen tensor with the expected and the found shape
 */
export async function matchTensors(
  config: ModelConfig,
  tensors: ReadonlyMap<string, CheckpointTensor>,
): Promise<ModelTensors> {
  const { known, faults, notes, stored } = sortTensors(config, tensors);
  const expected = expectedTensors(config);
  for (const [name, shape] of expected) {
    const tensor = known.get(name);
    if (tensor === undefined) {
      faults.push(`missing ${checkpointName(name, config.architecture)} ${list(shape)}`);
    } else if (list(tensor.shape) !== list(shape)) {
      faults.push(`misshapen ${tensor.name}: expected ${list(shape)}, found ${list(tensor.shape)}`);
    }
  }
  for (const [name, tensor] of known) {
    if (!expected.has(name) && name !== LM_HEAD) {
      faults.push(`extra ${tensor.name} ${list(tensor.shape)}: expected no such tensor`);
    }
  }
  if (faults.length > 0) {
    throw new ConvertError(
      `The weights do not fit config.json (${faults.length}):\n  ${faults.join('\n  ')}`,
    );
  }
  const tied = await decideTie(config, known, notes);
  return {
    tied,
    get: (canonical) => {
      const name = tied && canonical === LM_HEAD ? EMBEDDING : canonical;
      const tensor = known.get(name);
      if (tensor === undefined) throw new Error(`${name} was never asked for.`);
      return tensor;
    },
    numParameters: stored.reduce((sum, tensor) => sum + tensor.numElements, 0),
    storedDtypes: [...new Set(stored.map((tensor) => tensor.dtype))].sort(),
    notes,
  };
}

interface Sorted {
  readonly known: Map<string, CheckpointTensor>;
  readonly stored: CheckpointTensor[];
  readonly faults: string[];
  readonly notes: string[];
}

function sortTensors(
  { architecture, vision }: ModelConfig,
  tensors: ReadonlyMap<string, CheckpointTensor>,
): Sorted {
  const known = new Map<string, CheckpointTensor>();
  const stored: CheckpointTensor[] = [];
  const faults: string[] = [];
  const unused = new Map<string, number>();
  for (const tensor of tensors.values()) {
    if (isRotaryBuffer(tensor.name)) continue;
    stored.push(tensor);
    const name = canonicalName(tensor.name, architecture);
    const reason = name && unusedReason(name, vision?.tower.numLayersUsed ?? 0);
    if (reason !== undefined && reason !== '') {
      unused.set(reason, (unused.get(reason) ?? 0) + 1);
    } else if (name === undefined) {
      faults.push(`extra ${tensor.name} ${list(tensor.shape)}: expected no such tensor`);
    } else if (known.has(name)) {
      faults.push(`extra ${tensor.name}: the same tensor as ${known.get(name)!.name}`);
    } else {
      known.set(name, tensor);
    }
  }
  const notes = [...unused].map(([reason, count]) => `${count} tensors are not used: ${reason}.`);
  return { known, stored, faults, notes };
}

/**
 * A head whose bytes equal the embedding's is tied, even if the config says otherwise. A head that differs although the
 * config ties it is an error: the checkpoint does not say which of the two to use.
 */
async function decideTie(
  config: ModelConfig,
  known: ReadonlyMap<string, CheckpointTensor>,
  notes: string[],
): Promise<boolean> {
  const head = known.get(LM_HEAD);
  const embedding = known.get(EMBEDDING);
  if (head === undefined || embedding === undefined) return true;
  const same = list(head.shape) === list(embedding.shape) && (await areEqual(head, embedding));
  if (config.text.tieWordEmbeddings && !same) {
    throw new ConvertError(
      `config.json says tie_word_embeddings is true, but ${head.name} differs from ${embedding.name}. Set it to false or remove the tensor.`,
    );
  }
  if (same && !config.text.tieWordEmbeddings) {
    notes.push(
      `tie_word_embeddings is false, but ${head.name} equals ${embedding.name}: stored once.`,
    );
  }
  return same;
}

async function areEqual(a: CheckpointTensor, b: CheckpointTensor): Promise<boolean> {
  if (a.dtype !== b.dtype) return false;
  for (let first = 0; first < a.numElements; first += STRETCH) {
    const count = Math.min(STRETCH, a.numElements - first);
    const [left, right] = [await a.read(first, count), await b.read(first, count)];
    if (Buffer.compare(Buffer.from(left.buffer), Buffer.from(right.buffer)) !== 0) return false;
  }
  return true;
}

function list(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
