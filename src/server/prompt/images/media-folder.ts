import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChatInputError } from '../chat-input-error.ts';

/**
 * Reads images of one folder by file: URL. Links are followed first and must stay inside. Files outside and files that do
 * not exist give the same error, so that a client cannot explore the file system.
 */
export class MediaFolder {
  readonly #root: string;
  readonly #maxBytes: number;

  private constructor(root: string, maxBytes: number) {
    this.#root = root;
    this.#maxBytes = maxBytes;
  }

  /** @throws Error where the folder does not exist */
  static async open(folder: string, maxBytes: number): Promise<MediaFolder> {
    return new MediaFolder(await realpath(resolve(folder)), maxBytes);
  }

  /**
   * @param url file: URL
   * @param param the field that holds the URL, for errors
   * @throws ChatInputError
   */
  async read(url: string, param: string): Promise<Uint8Array> {
    const refused = new ChatInputError(
      'invalid_image_url',
      param,
      'The file: URL names no image of the folder this server reads from.',
    );
    const bytes = await this.#readInside(url).catch(() => null);
    if (bytes === null) throw refused;
    if (typeof bytes !== 'number') return bytes;
    throw new ChatInputError(
      'image_too_large',
      param,
      `The image has ${bytes} bytes; at most ${this.#maxBytes} are allowed.`,
    );
  }

  /** @returns null for a file that must not be read, the size of one that is too large */
  async #readInside(url: string): Promise<Uint8Array | number | null> {
    const named = fileURLToPath(url);
    const isInside = (path: string): boolean => path.startsWith(this.#root + sep);
    if (!isInside(resolve(named))) return null;
    const real = await realpath(named);
    if (!isInside(real)) return null;
    // Nonblocking, since a named pipe would wait for a writer. No links: the resolved path has none, unless it just changed.
    const file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) return null;
      return stats.size > this.#maxBytes ? stats.size : await file.readFile();
    } finally {
      await file.close();
    }
  }
}
