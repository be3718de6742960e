import { readFileSync } from 'node:fs';

/** The version in this project's package.json; the compiled files lie two folders below it. */
export function packageVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return version;
}
