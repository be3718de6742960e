import { isAbsolute, join } from 'node:path';
import { imageDataUrl } from '../../client/image.ts';
import { EvaluationError } from '../evaluation-error.ts';
import type { QuestionImage } from './question.ts';

/** Longer than any path, shorter than the base64 of any useful image. */
const SHORTEST_BASE64 = 64;

/**
 * Reads an image field: an http or data URL, base64, or a path relative to the dataset's folder.
 * @param where names the row in the error
 * @throws EvaluationError for base64 that is not an image
 */
export function parseImage(text: string, folder: string, where: string): QuestionImage {
  const value = text.trim();
  if (/^(https?:|data:)/i.test(value)) return { kind: 'url', url: value };
  if (value.length > SHORTEST_BASE64 && /^[A-Za-z0-9+/\s]+=*\s*$/.test(value)) {
    return { kind: 'bytes', bytes: decode(value, where) };
  }
  return { kind: 'file', path: isAbsolute(value) ? value : join(folder, value) };
}

function decode(base64: string, where: string): Buffer {
  const bytes = Buffer.from(base64, 'base64');
  if (imageDataUrl(bytes) === null) {
    throw new EvaluationError(
      `${where}: the base64 in the image field is not a PNG, JPEG, GIF or WebP image.`,
    );
  }
  return bytes;
}

/** Reads one value, or a list in JSON or Python notation: ['a', 'b']. */
export function parseList(text: string): string[] {
  const value = text.trim();
  if (!value.startsWith('[') || !value.endsWith(']')) return [value];
  const quoted = [...value.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)];
  if (quoted.length > 0) {
    return quoted.map(([, single, double]) => unescaped(single ?? double ?? ''));
  }
  const bare = value.slice(1, -1).split(',');
  return bare.map((item) => item.trim()).filter((item) => item !== '');
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}
