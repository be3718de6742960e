import { deflateSync } from 'node:zlib';
import sharp from 'sharp';

/** Two 16-bit sides of 65,535 pixels, in either byte order. */
const HUGE = [0xff, 0xff, 0xff, 0xff];

const FORMATS = ['png', 'jpeg', 'webp', 'gif', 'avif'] as const;

/** A small image with some detail in every format served. */
export async function soundImages(): Promise<Record<(typeof FORMATS)[number], Buffer>> {
  const side = 64;
  const pixels = Buffer.from(Array.from({ length: side * side * 3 }, (_, at) => (at * 7919) % 251));
  const image = sharp(pixels, { raw: { width: side, height: side, channels: 3 } });
  const [png, jpeg, webp, gif, avif] = await Promise.all(
    FORMATS.map((format) => image.clone().toFormat(format).toBuffer()),
  );
  return { png: png!, jpeg: jpeg!, webp: webp!, gif: gif!, avif: avif! };
}

/** Images of a few bytes whose headers claim a size no memory could hold. */
export async function imageBombs(): Promise<Record<string, Buffer>> {
  const { jpeg, webp, gif, avif } = await soundImages();
  return {
    png: pngBomb(30_000, 30_000),
    'png of the largest size there is': pngBomb(0x7fffffff, 0x7fffffff),
    jpeg: patched(jpeg, frameHeader(jpeg) + 5, HUGE),
    // The size of the screen, and of the only frame on it.
    gif: patched(patched(gif, 6, HUGE), gif.indexOf(Buffer.of(0x2c, 0, 0, 0, 0, 64)) + 5, HUGE),
    webp: patched(webp, 26, [0xff, 0x3f, 0xff, 0x3f]),
    avif: patched(avif, avif.indexOf('ispe') + 8, [0, 1, 0, 0, 0, 1, 0, 0]),
  };
}

/** A PNG header that claims any size over a few bytes of data. */
export function pngBomb(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(64))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  let crc = 0xffffffff;
  for (const byte of body) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  chunk.set(body, 4);
  chunk.writeUInt32BE((crc ^ 0xffffffff) >>> 0, body.length + 4);
  return chunk;
}

function patched(bytes: Buffer, at: number, values: readonly number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(values, at);
  return copy;
}

/** Where a JPEG's frame header begins: its marker is the only one with the image's size. */
function frameHeader(jpeg: Buffer): number {
  const baseline = jpeg.indexOf(Buffer.of(0xff, 0xc0));
  return baseline >= 0 ? baseline : jpeg.indexOf(Buffer.of(0xff, 0xc2));
}
