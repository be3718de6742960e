import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setJsonMember } from './json-member.ts';
import { MANIFEST_FILE, manifestSchema } from './manifest.ts';
import type { ThinkingProfiles } from './profile.ts';
import { readPackage } from './read-package.ts';
import { replaceFile } from './replace-file.ts';

/**
 * Puts profiles into a package's manifest: those of the same name are replaced, everything else stays as it is, to the
 * byte. The manifest is replaced in one step, so that a server that starts meanwhile reads either the old or the new.
 * @throws PackageError when the folder is no package
 */
export async function writeProfiles(dir: string, profiles: ThinkingProfiles): Promise<void> {
  const { manifest } = await readPackage(dir);
  const path = join(dir, MANIFEST_FILE);
  const before = await readFile(path, 'utf8');
  const after = setJsonMember(before, 'profiles', { ...manifest.profiles, ...profiles });
  manifestSchema.parse(JSON.parse(after));
  await replaceFile(path, after);
}
