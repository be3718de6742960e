import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HubError } from './hub-error.ts';

/** Checksum that the hub lists: sha256 of the content for large files, git's blob id for small ones. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'git-blob';
  readonly hex: string;
}

/** @returns the hash for a checksum, ready for the file's bytes */
export function startHash(checksum: Checksum, size: number): Hash {
  if (checksum.algorithm === 'sha256') return createHash('sha256');
  return createHash('sha1').update(`blob ${size}\0`);
}

/** Updates a hash with a file. @returns the number of bytes read */
export async function hashFile(path: string, hash: Hash): Promise<number> {
  let numBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk);
    numBytes += chunk.length;
  }
  return numBytes;
}

/** A file on the hub. */
export interface RemoteFile {
  /** Name in the repository's root. */
  readonly path: string;
  readonly size: number;
  readonly checksum: Checksum;
}

export interface FetchFileOptions {
  readonly outDir: string;
  /** Reads the file from `offset` to its end. */
  readonly read: (file: RemoteFile, offset: number) => Promise<AsyncIterable<Uint8Array>>;
  readonly onBytes: (numBytes: number) => void;
  /** Delays before each retry after a broken connection, in milliseconds; their number limits the retries. */
  readonly retryDelaysMs: readonly number[];
}

/** @returns bytes still to fetch; null for a file that is complete and has the right checksum */
export async function missingBytes(file: RemoteFile, outDir: string): Promise<number | null> {
  if (await isComplete(file, join(outDir, file.path))) return null;
  return file.size - Math.min(file.size, await sizeOf(partPath(file, outDir)));
}

/**
 * Fetches one file into `outDir` and resumes an earlier attempt. The file gets its name only after its checksum matches.
 * @throws HubError when the checksum does not match; the error of the last attempt otherwise
 */
export async function fetchFile(file: RemoteFile, options: FetchFileOptions): Promise<void> {
  const part = partPath(file, options.outDir);
  for (let attempt = 0; ; attempt += 1) {
    try {
      await appendRest(file, part, options);
      break;
    } catch (error) {
      const pause = options.retryDelaysMs[attempt];
      if (pause === undefined || error instanceof HubError) throw error;
      await delay(pause);
    }
  }
  await rename(part, join(options.outDir, file.path));
}

async function appendRest(
  file: RemoteFile,
  part: string,
  { read, onBytes }: FetchFileOptions,
): Promise<void> {
  const hash = startHash(file.checksum, file.size);
  const handle = await open(part, 'a');
  try {
    let have = await hashFile(part, hash);
    if (have < file.size) {
      for await (const bytes of await read(file, have)) {
        await handle.write(bytes);
        hash.update(bytes);
        have += bytes.length;
        onBytes(bytes.length);
      }
    }
    if (have < file.size) throw new Error(`The connection ended at byte ${have} of ${file.size}.`);
  } finally {
    await handle.close();
  }
  await assertChecksum(file, part, hash);
}

async function assertChecksum(file: RemoteFile, part: string, hash: Hash): Promise<void> {
  const { size } = await stat(part);
  const found = hash.digest('hex');
  if (size === file.size && found === file.checksum.hex) return;
  await rm(part);
  throw new HubError(
    `"${file.path}" arrived damaged and was deleted: expected ${file.size} bytes with ${file.checksum.algorithm} ${file.checksum.hex}, got ${size} bytes with ${found}. Run the command again.`,
  );
}

async function isComplete(file: RemoteFile, path: string): Promise<boolean> {
  if ((await sizeOf(path)) !== file.size) return false;
  const hash = startHash(file.checksum, file.size);
  // An empty file that is missing also has size 0.
  const numBytes = await hashFile(path, hash).catch(() => -1);
  return numBytes === file.size && hash.digest('hex') === file.checksum.hex;
}

/** The checksum in the name prevents that a part of another revision is resumed. */
function partPath({ path, checksum }: RemoteFile, outDir: string): string {
  return join(outDir, `${path}.${checksum.hex.slice(0, 12)}.part`);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}
