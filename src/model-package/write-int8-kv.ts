import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setJsonMember } from './json-member.ts';
import { MANIFEST_FILE, manifestSchema } from './manifest.ts';
import { readPackage } from './read-package.ts';
import { replaceFile } from './replace-file.ts';

const DECODER_FILE = 'decoder.kv8.onnx';

/**
 * Adds the decoder graph for an int8 KV cache to a package, or replaces the one it has; everything else stays as it is.
 * @returns the graph's file name
 * @throws PackageError when the folder is no package
 */
export async function writeInt8Kv(dir: string, decoder: Uint8Array): Promise<string> {
  const { manifest } = await readPackage(dir);
  const path = join(dir, MANIFEST_FILE);
  const sha256 = createHash('sha256').update(decoder).digest('hex');
  const file = { path: DECODER_FILE, bytes: decoder.length, sha256 };
  const others = manifest.files.filter((other) => other.path !== DECODER_FILE);
  const files = [...others, file].sort((a, b) => (a.path < b.path ? -1 : 1));
  const listed = setJsonMember(await readFile(path, 'utf8'), 'files', files);
  const after = setJsonMember(listed, 'int8Kv', { decoder: DECODER_FILE });
  manifestSchema.parse(JSON.parse(after));
  await replaceFile(join(dir, DECODER_FILE), decoder);
  await replaceFile(path, after);
  return DECODER_FILE;
}
