import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Replaces a file in one step: whoever reads it meanwhile gets the old contents or the new. */
export async function replaceFile(path: string, contents: Uint8Array | string): Promise<void> {
  const scratch = join(dirname(path), `.${basename(path)}-${randomUUID()}`);
  try {
    const file = await open(scratch, 'wx');
    try {
      await file.writeFile(contents);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { force: true });
    throw error;
  }
}
