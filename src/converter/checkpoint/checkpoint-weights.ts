/** Weights of a checkpoint folder: one safetensors file, or the shards that an index lists. */
import { access, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { ConvertError } from '../convert-error.ts';
import { type CheckpointTensor, SafetensorsFile } from './safetensors.ts';

const INDEX_FILE = 'model.safetensors.index.json';
const SINGLE_FILE = 'model.safetensors';

export interface CheckpointWeights {
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  close(): Promise<void>;
}

/**
 * Opens every weight file and reads its header.
 * @throws ConvertError when a file is missing or damaged, or when index and shards disagree
 */
export async function openCheckpointWeights(dir: string): Promise<CheckpointWeights> {
  const weightMap = await readIndex(dir);
  const fileNames = weightMap ? [...new Set(weightMap.values())].sort() : [SINGLE_FILE];
  const files: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    const tensors = new Map<string, CheckpointTensor>();
    for (const fileName of fileNames) {
      const file = await openFile(dir, fileName);
      files.push(file);
      addTensors(tensors, file, { fileName, weightMap });
    }
    for (const [name, fileName] of weightMap ?? []) {
      if (!tensors.has(name)) {
        throw new ConvertError(
          `${INDEX_FILE} says ${name} is in ${fileName}, but it is not there.`,
        );
      }
    }
    return { tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openFile(dir: string, fileName: string): Promise<SafetensorsFile> {
  if (basename(fileName) !== fileName) {
    throw new ConvertError(`${INDEX_FILE} names ${fileName}, which is not inside the checkpoint.`);
  }
  const path = join(dir, fileName);
  try {
    await access(path);
  } catch {
    throw new ConvertError(`The weight file ${path} does not exist or cannot be read.`);
  }
  return SafetensorsFile.open(path);
}

function addTensors(
  tensors: Map<string, CheckpointTensor>,
  file: SafetensorsFile,
  { fileName, weightMap }: { fileName: string; weightMap: ReadonlyMap<string, string> | undefined },
): void {
  for (const tensor of file.tensors) {
    if (weightMap && weightMap.get(tensor.name) !== fileName) {
      throw new ConvertError(
        `${fileName} holds ${tensor.name}, which ${INDEX_FILE} does not expect.`,
      );
    }
    tensors.set(tensor.name, tensor);
  }
}

async function readIndex(dir: string): Promise<ReadonlyMap<string, string> | undefined> {
  const path = join(dir, INDEX_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  const schema = z.object({ weight_map: z.record(z.string(), z.string()) });
  try {
    return new Map(Object.entries(schema.parse(JSON.parse(text)).weight_map));
  } catch {
    throw new ConvertError(`${path} has no weight_map of tensor names to file names.`);
  }
}
