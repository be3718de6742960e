import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes a report as JSON and as HTML under one name, and says so. */
export async function writeReports(
  folder: string,
  name: string,
  { json, html }: { readonly json: unknown; readonly html: string },
): Promise<void> {
  const path = join(folder, name);
  await writeFile(`${path}.json`, `${JSON.stringify(json, null, 2)}\n`);
  await writeFile(`${path}.html`, html);
  process.stdout.write(`\nwrote ${path}.json and ${path}.html\n`);
}
