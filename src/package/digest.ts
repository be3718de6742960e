import { createHash } from 'node:crypto';
import type { Manifest } from './manifest.ts';

/**
 * A short name of what a package answers with: the same for the same files and protocol, whatever it is called and
 * whichever profiles were calibrated on it.
 */
export function packageDigest({ files, thinking, tokens }: Manifest): string {
  const listed = files.map(({ path, sha256 }) => [path, sha256]).sort();
  const content = JSON.stringify([listed, thinking, tokens]);
  return createHash('sha256').update(content).digest('hex').slice(0, 12);
}
