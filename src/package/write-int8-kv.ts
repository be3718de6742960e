import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setJsonMember } from './json-member.ts';
import { MANIFEST_FILE, type Manifest, manifestSchema } from './manifest.ts';
import { readPackage } from './read-package.ts';
import { replaceFile } from './replace-file.ts';

/** Graphs with an int8 KV cache, as the bytes of their files. */
export interface Int8KvGraphs {
  readonly decoder: Uint8Array;
  /** null where prompts have no decoder of their own. */
  readonly prefill: Uint8Array | null;
}

const DECODER_FILE = 'decoder.kv8.onnx';
const PREFILL_FILE = 'prefill.kv8.onnx';

/**
 * Adds the graphs for an int8 KV cache to a package, or replaces those it has; everything else stays as it is.
 * @returns their file names
 * @throws PackageError when the folder is no package
 */
export async function writeInt8Kv(
  dir: string,
  { decoder, prefill }: Int8KvGraphs,
): Promise<readonly string[]> {
  const { manifest } = await readPackage(dir);
  const path = join(dir, MANIFEST_FILE);
  const int8Kv = { decoder: DECODER_FILE, ...(prefill && { prefill: PREFILL_FILE }) };
  const added = new Map([
    [DECODER_FILE, decoder],
    ...(prefill === null ? [] : [[PREFILL_FILE, prefill] as const]),
  ]);
  const before = new Set(filesOf(manifest));
  const others = manifest.files.filter((file) => !added.has(file.path) && !before.has(file.path));
  const files = [...others, ...[...added].map(([name, bytes]) => listed(name, bytes))];
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const withFiles = setJsonMember(await readFile(path, 'utf8'), 'files', files);
  const after = setJsonMember(withFiles, 'int8Kv', int8Kv);
  manifestSchema.parse(JSON.parse(after));
  for (const [name, bytes] of added) await replaceFile(join(dir, name), bytes);
  await replaceFile(path, after);
  for (const name of before) if (!added.has(name)) await rm(join(dir, name), { force: true });
  return [...added.keys()];
}

function filesOf({ int8Kv }: Manifest): string[] {
  return Object.values(int8Kv ?? {}).filter((file) => file !== undefined);
}

function listed(path: string, contents: Uint8Array): Manifest['files'][number] {
  const sha256 = createHash('sha256').update(contents).digest('hex');
  return { path, bytes: contents.length, sha256 };
}
