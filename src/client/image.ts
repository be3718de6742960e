import { readFile } from 'node:fs/promises';

const SIGNATURES: readonly {
  readonly type: string;
  readonly at: number;
  readonly bytes: string;
}[] = [
  { type: 'image/png', at: 0, bytes: '89504e47' },
  { type: 'image/jpeg', at: 0, bytes: 'ffd8ff' },
  { type: 'image/gif', at: 0, bytes: '47494638' },
  { type: 'image/webp', at: 8, bytes: '57454250' },
];

/**
 * The URL of an image for a request: web addresses stay as they are, files become data URLs.
 * @throws Error naming a file that cannot be read or is not an image
 */
export async function imageUrl(image: string): Promise<string> {
  if (/^(https?|data):/.test(image)) return image;
  const bytes = await readFile(image).catch((error: unknown) => {
    throw new Error(`The image "${image}" cannot be read.`, { cause: error });
  });
  const url = imageDataUrl(bytes);
  if (url === null) throw new Error(`"${image}" is not a PNG, JPEG, GIF or WebP image.`);
  return url;
}

/** @returns null unless the bytes begin like a PNG, JPEG, GIF or WebP image */
export function imageDataUrl(bytes: Buffer): string | null {
  const found = SIGNATURES.find(
    ({ at, bytes: signature }) =>
      bytes.subarray(at, at + signature.length / 2).toString('hex') === signature,
  );
  return found === undefined ? null : `data:${found.type};base64,${bytes.toString('base64')}`;
}
