import { createHash, randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MANIFEST_FILE, type Manifest, manifestSchema } from './manifest.ts';
import type { ThinkingProfiles } from './profile.ts';
import { readPackage } from './read-package.ts';

/**
 * Changes to a finished package: profiles and int8 KV graphs are added to it, one file at a time and each file in one
 * step. A server that starts meanwhile reads either the old manifest or the new one.
 */

/**
 * Sets one member of the object in a JSON text and leaves every other byte unchanged. Parsing and printing the whole
 * text would change the form of numbers, escapes and line breaks.
 * @param text a valid JSON object, on one line or indented by two spaces
 */
export function setJsonMember(text: string, name: string, value: unknown): string {
  const members = topMembers(text);
  const isIndented = text.includes('\n');
  const written = isIndented
    ? JSON.stringify(value, null, 2).replaceAll('\n', '\n  ')
    : JSON.stringify(value);
  const found = members.find(({ key }) => key === name);
  if (found !== undefined) return text.slice(0, found.start) + written + text.slice(found.end);
  const last = members.at(-1);
  const at = last?.end ?? text.indexOf('{') + 1;
  const comma = last === undefined ? '' : ',';
  const gap = isIndented ? '\n  ' : '';
  const colon = isIndented ? ': ' : ':';
  const member = `${comma}${gap}${JSON.stringify(name)}${colon}${written}`;
  return text.slice(0, at) + member + text.slice(at);
}

const DEPTH_CHANGE = new Map([
  ['{', 1],
  ['[', 1],
  ['}', -1],
  [']', -1],
]);

interface Member {
  readonly key: string;
  /** Range of the value in the text. */
  readonly start: number;
  readonly end: number;
}

/** A JSON token: a string, a bracket, a comma, a colon, a number or a literal. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

function topMembers(text: string): Member[] {
  const pieces = [...topPieces(text)];
  return pieces.flatMap((piece, index): Member[] => {
    const value = pieces[index + 1];
    if (index % 2 === 1 || value === undefined) return [];
    return [{ key: String(JSON.parse(text.slice(piece.start, piece.end))), ...value }];
  });
}

/** Keys and values of the outermost object in turn; a nested value is one piece. */
function* topPieces(text: string): Generator<{ readonly start: number; readonly end: number }> {
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    depth += DEPTH_CHANGE.get(token) ?? 0;
    const isOpening = DEPTH_CHANGE.get(token) === 1;
    if (depth - Number(isOpening) === 1 && token !== ',' && token !== ':') {
      if (!DEPTH_CHANGE.has(token) || isOpening) start = index;
      if (!isOpening) yield { start, end: index + token.length };
    }
  }
}

/** Replaces a file atomically: a concurrent reader gets the old contents or the new ones. */
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

/**
 * Adds profiles to a package's manifest and replaces those of the same name. Every other byte stays unchanged.
 * @throws PackageError when the folder is not a package
 */
export async function writeProfiles(dir: string, profiles: ThinkingProfiles): Promise<void> {
  const { manifest } = await readPackage(dir);
  const path = join(dir, MANIFEST_FILE);
  const before = await readFile(path, 'utf8');
  const after = setJsonMember(before, 'profiles', { ...manifest.profiles, ...profiles });
  manifestSchema.parse(JSON.parse(after));
  await replaceFile(path, after);
}

/** Model files of the graphs with an int8 KV cache. */
export interface Int8KvGraphs {
  readonly decoder: Uint8Array;
  /** null when the package has no prefill graph. */
  readonly prefill: Uint8Array | null;
}

const DECODER_FILE = 'decoder.kv8.onnx';
const PREFILL_FILE = 'prefill.kv8.onnx';

/**
 * Adds the graphs with an int8 KV cache to a package, or replaces those it has.
 * @returns their file names
 * @throws PackageError when the folder is not a package
 */
export async function writeInt8Kv(
  dir: string,
  { decoder, prefill }: Int8KvGraphs,
): Promise<readonly string[]> {
  const { manifest } = await readPackage(dir);
  const path = join(dir, MANIFEST_FILE);
  const int8Kv = { decoder: DECODER_FILE, ...(prefill && { prefill: PREFILL_FILE }) };
  const added = new Map([
    [DECODER_FILE, decoder],
    ...(prefill === null ? [] : [[PREFILL_FILE, prefill] as const]),
  ]);
  const before = new Set(filesOf(manifest));
  const others = manifest.files.filter((file) => !added.has(file.path) && !before.has(file.path));
  const files = [...others, ...[...added].map(([name, bytes]) => listed(name, bytes))];
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const withFiles = setJsonMember(await readFile(path, 'utf8'), 'files', files);
  const after = setJsonMember(withFiles, 'int8Kv', int8Kv);
  manifestSchema.parse(JSON.parse(after));
  for (const [name, bytes] of added) await replaceFile(join(dir, name), bytes);
  await replaceFile(path, after);
  for (const name of before) if (!added.has(name)) await rm(join(dir, name), { force: true });
  return [...added.keys()];
}

function filesOf({ int8Kv }: Manifest): string[] {
  return Object.values(int8Kv ?? {}).filter((file) => file !== undefined);
}

function listed(path: string, contents: Uint8Array): Manifest['files'][number] {
  const sha256 = createHash('sha256').update(contents).digest('hex');
  return { path, bytes: contents.length, sha256 };
}
