/** Writes the files of a package into a temporary folder and records their digests. */
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ConvertError } from './convert-error.ts';
import type { FileDigest } from './weights/data-file.ts';

/** Disk space for graphs, tokenizer and manifest, in addition to the weights. */
const SMALL_FILES_BYTES = 64 * 2 ** 20;

export class PackageFiles {
  readonly dir: string;
  readonly #target: string;
  readonly #digests: FileDigest[] = [];

  private constructor(dir: string, target: string) {
    this.dir = dir;
    this.#target = target;
  }

  /**
   * Creates a temporary folder next to `target`.
   * @param dataBytes size of the weights
   * @throws ConvertError when `target` exists and `force` is not set, or the disk is too full
   */
  static async create(
    target: string,
    { force, dataBytes }: { force: boolean; dataBytes: number },
  ): Promise<PackageFiles> {
    const path = resolve(target);
    if (!force && (await exists(path))) {
      throw new ConvertError(`${target} already exists; --force replaces it.`);
    }
    const parent = dirname(path);
    await checkParent(parent);
    await checkFreeDisk(parent, dataBytes + SMALL_FILES_BYTES);
    const dir = join(parent, `.${basename(path)}-${randomUUID()}`);
    await mkdir(dir);
    return new PackageFiles(dir, path);
  }

  /** Digests of all files written so far, sorted by path. */
  get digests(): readonly FileDigest[] {
    return this.#digests.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  add(digest: FileDigest): void {
    this.#digests.push(digest);
  }

  /** Writes a small file and flushes it to disk. */
  async write(path: string, contents: Uint8Array | string): Promise<void> {
    const bytes = typeof contents === 'string' ? new TextEncoder().encode(contents) : contents;
    const file = await open(join(this.dir, path), 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.#digests.push({ path, bytes: bytes.length, sha256 });
  }

  /** Renames the finished folder to its target. An old package is removed after the new one is in place. */
  async commit(): Promise<void> {
    await syncDirectory(this.dir);
    const old = `${this.dir}.old`;
    const replaces = await exists(this.#target);
    if (replaces) await rename(this.#target, old);
    await rename(this.dir, this.#target);
    await syncDirectory(dirname(this.#target));
    if (replaces) await rm(old, { recursive: true, force: true });
  }

  async discard(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

async function checkParent(parent: string): Promise<void> {
  try {
    await access(parent, constants.W_OK);
  } catch {
    throw new ConvertError(`The folder ${parent} does not exist or cannot be written to.`);
  }
}

async function checkFreeDisk(parent: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(parent);
  const free = bavail * bsize;
  if (free < needed) {
    const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
    throw new ConvertError(
      `Not enough disk space in ${parent}: the package needs ${gigabytes(needed)}, ${gigabytes(free)} are free.`,
    );
  }
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
