import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** What the hub says of a file: sha256 of the content for large files, git's blob id for small ones. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'git-blob';
  readonly hex: string;
}

/** A hash of the kind the checksum needs, ready for the file's bytes. */
export function startHash(checksum: Checksum, size: number): Hash {
  if (checksum.algorithm === 'sha256') return createHash('sha256');
  return createHash('sha1').update(`blob ${size}\0`);
}

/** Feeds a file into a hash. @returns the number of bytes read */
export async function hashFile(path: string, hash: Hash): Promise<number> {
  let numBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk);
    numBytes += chunk.length;
  }
  return numBytes;
}
