/**
 * Lays out and writes an external data file. Sizes are known before the first byte is written, so graphs can refer to
 * offsets. The bytes are then produced and hashed in one sequential pass.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';

/** Large tensors start on a page, so they can be memory-mapped. Small ones start on a cache line, to save space. */
const PAGE = 4096;
const CACHE_LINE = 64;
const LARGE = 65_536;

/** Position of a tensor in a data file. */
export interface StoredTensor {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Tensors that one pass over a checkpoint tensor produces together, such as quantised values and their scales. */
export interface TensorGroup {
  /** Name for progress and errors. */
  readonly label: string;
  /** Bytes read from the checkpoint, for progress. */
  readonly sourceBytes: number;
  /** Sizes in bytes of the stored tensors, in file order. */
  readonly sizes: readonly number[];
  /**
   * Produces the bytes in file order; a chunk never spans two tensors.
   * @param dir folder with the earlier data files, and this one up to here
   */
  produce(dir: string): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** sha256 and size of a written file. */
export interface FileDigest {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface WriteHooks {
  /** Called before a group and after every chunk of it, with the share (0 to 1) that is written. */
  readonly onProgress?: ((group: TensorGroup, share: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One external data file. */
export class DataFile {
  readonly name: string;
  readonly #groups: { group: TensorGroup; offsets: readonly number[] }[] = [];
  #end = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Bytes of the whole file. */
  get bytes(): number {
    return this.#end;
  }

  /** Bytes of the checkpoint that the file needs. */
  get sourceBytes(): number {
    return this.#groups.reduce((sum, { group }) => sum + group.sourceBytes, 0);
  }

  /** Reserves space for a group. @returns one position per size */
  add(group: TensorGroup): readonly StoredTensor[] {
    const places = group.sizes.map((bytes): StoredTensor => {
      const alignment = bytes >= LARGE ? PAGE : CACHE_LINE;
      const offset = Math.ceil(this.#end / alignment) * alignment;
      this.#end = offset + bytes;
      return { file: this.name, offset, bytes };
    });
    this.#groups.push({ group, offsets: places.map((place) => place.offset) });
    return places;
  }

  /** Produces every group and writes the file into `dir`, flushed to disk. */
  async write(dir: string, hooks: WriteHooks): Promise<FileDigest> {
    const handle = await open(join(dir, this.name), 'w');
    const appender = new HashingAppender(handle);
    try {
      for (const { group, offsets } of this.#groups) {
        await appendGroup(appender, { group, offsets, dir, hooks });
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    return { path: this.name, bytes: appender.position, sha256: appender.digest() };
  }
}

class HashingAppender {
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  position = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    let done = 0;
    while (done < chunk.length) {
      done += (await this.#handle.write(chunk, done, chunk.length - done)).bytesWritten;
    }
    this.position += chunk.length;
  }

  async padTo(offset: number): Promise<void> {
    if (offset > this.position) await this.append(new Uint8Array(offset - this.position));
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}

interface PlacedGroup {
  readonly group: TensorGroup;
  readonly offsets: readonly number[];
  readonly dir: string;
  readonly hooks: WriteHooks;
}

async function appendGroup(
  appender: HashingAppender,
  { group, offsets, dir, hooks }: PlacedGroup,
): Promise<void> {
  const totalBytes = group.sizes.reduce((sum, bytes) => sum + bytes, 0);
  let doneBytes = 0;
  hooks.onProgress?.(group, 0);
  let tensor = -1;
  let end = appender.position;
  for await (const chunk of group.produce(dir)) {
    hooks.signal?.throwIfAborted();
    if (appender.position === end) {
      tensor += 1;
      const offset = offsets[tensor] ?? Number.NaN;
      await appender.padTo(offset);
      end = offset + (group.sizes[tensor] ?? 0);
    }
    if (!(appender.position + chunk.length <= end)) {
      throw new Error(`${group.label} produced more bytes than were reserved.`);
    }
    await appender.append(chunk);
    doneBytes += chunk.length;
    hooks.onProgress?.(group, doneBytes / totalBytes);
  }
  if (tensor !== offsets.length - 1 || appender.position !== end) {
    throw new Error(`${group.label} produced fewer bytes than were reserved.`);
  }
}
