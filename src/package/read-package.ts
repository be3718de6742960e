/** Opens a package folder: the manifest against its schema, and the files against the manifest. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { MANIFEST_FILE, type Manifest, manifestSchema } from './manifest.ts';

/** The folder is not a usable package; the message names the file and the fault. */
export class PackageError extends Error {
  override readonly name = 'PackageError';
}

export interface ModelPackage {
  readonly dir: string;
  readonly manifest: Manifest;
}

/**
 * Reads the manifest and checks that every file exists and has the listed size.
 * @param options.verify also compares the sha256 of every file, which reads the whole package
 * @throws PackageError
 */
export async function readPackage(
  dir: string,
  options: { verify?: boolean } = {},
): Promise<ModelPackage> {
  const manifest = await readManifest(dir);
  for (const file of manifest.files) await checkFile(dir, file, options.verify ?? false);
  const listed = new Set(manifest.files.map((file) => file.path));
  for (const path of referencedFiles(manifest)) {
    if (!listed.has(path)) {
      throw new PackageError(
        `${join(dir, MANIFEST_FILE)} uses ${path} but does not list it in files.`,
      );
    }
  }
  return { dir, manifest };
}

async function readManifest(dir: string): Promise<Manifest> {
  const path = join(dir, MANIFEST_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    throw new PackageError(`${dir} is not a model package: it has no readable ${MANIFEST_FILE}.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new PackageError(`${path} is not valid JSON.`);
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`,
  );
  throw new PackageError(`${path} does not fit the package format: ${faults.join('; ')}.`);
}

async function checkFile(
  dir: string,
  file: Manifest['files'][number],
  verify: boolean,
): Promise<void> {
  const path = join(dir, file.path);
  if (!resolve(path).startsWith(resolve(dir) + sep)) {
    throw new PackageError(`${file.path} lies outside the package ${dir}.`);
  }
  let size: number;
  try {
    size = (await stat(path)).size;
  } catch {
    throw new PackageError(`${path} is missing from the package.`);
  }
  if (size !== file.bytes) {
    throw new PackageError(`${path} has ${size} bytes; the manifest expects ${file.bytes}.`);
  }
  if (!verify) return;
  const found = await sha256Of(path);
  if (found !== file.sha256) {
    throw new PackageError(`${path} has sha256 ${found}; the manifest expects ${file.sha256}.`);
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

function referencedFiles(manifest: Manifest): string[] {
  const { graphs, gpu, prefill, int8Kv, imageNewline, chat, tokenizer } = manifest;
  const variants = [graphs, gpu ?? {}, prefill ?? {}, int8Kv ?? {}];
  const graphFiles = variants.flatMap((files): (string | null)[] => Object.values(files));
  const paths = [...graphFiles, imageNewline, chat.template, tokenizer];
  return paths.filter((path) => path !== null);
}
