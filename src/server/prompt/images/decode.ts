import sharp from 'sharp';
import { ChatInputError } from '../chat-input-error.ts';
import type { RgbImage } from './resize.ts';

export interface DecodeLimits {
  /** Most pixels (width x height) an image may have; checked before anything is unpacked. */
  readonly maxPixels: number;
  /** Most milliseconds decoding may take; whole seconds count. */
  readonly timeoutMs: number;
}

const FORMATS = 'JPEG, PNG, WebP, GIF and AVIF';
const MIN_SIDE = 1;
/** Longer images are noise to the model and only cost memory. */
const MAX_ASPECT_RATIO = 200;

/**
 * Decodes an image to 8-bit RGB: EXIF orientation applied, the first frame of an animation, transparency laid on white
 * (as the model's own helper does), grey and CMYK converted. Embedded colour profiles of RGB images are ignored, as
 * PIL ignores them.
 * @param param the field that holds the image, for errors
 * @throws ChatInputError where the format is not served, the data is broken or the image is too large
 */
export async function decodeImage(
  bytes: Uint8Array,
  limits: DecodeLimits,
  param: string,
): Promise<RgbImage> {
  if (!isServedFormat(bytes)) {
    throw new ChatInputError(
      'unsupported_image_format',
      param,
      `The image is in none of the formats served: ${FORMATS}.`,
    );
  }
  try {
    await checkSize(bytes, limits, param);
    return await decodePixels(bytes, limits);
  } catch (error) {
    if (error instanceof ChatInputError) throw error;
    const reason = isTimeout(error)
      ? `it takes longer than ${limits.timeoutMs} ms`
      : 'its data is damaged or cut off';
    throw new ChatInputError('invalid_image', param, `The image cannot be decoded: ${reason}.`);
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('timeout');
}

async function checkSize(bytes: Uint8Array, limits: DecodeLimits, param: string): Promise<void> {
  const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
  if (width * height > limits.maxPixels) {
    throw new ChatInputError(
      'image_too_large',
      param,
      `The image has ${width} x ${height} = ${width * height} pixels; at most ${limits.maxPixels} are allowed.`,
    );
  }
  const ratio = Math.max(width, height) / Math.max(MIN_SIDE, Math.min(width, height));
  if (ratio > MAX_ASPECT_RATIO) {
    throw new ChatInputError(
      'invalid_image',
      param,
      `The image is ${width} x ${height} pixels; one side may be at most ${MAX_ASPECT_RATIO} times the other.`,
    );
  }
}

async function decodePixels(bytes: Uint8Array, limits: DecodeLimits): Promise<RgbImage> {
  const options = { limitInputPixels: limits.maxPixels, failOn: 'error' } as const;
  const { space } = await sharp(bytes, options).metadata();
  const { data, info } = await sharp(bytes, { ...options, ignoreIcc: space !== 'cmyk' })
    .timeout({ seconds: Math.ceil(limits.timeoutMs / 1000) })
    .autoOrient()
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`it has ${info.channels} channels after conversion`);
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

/** Decides by the first bytes, so that no other format reaches the decoder's many loaders (SVG, PDF, TIFF…). */
function isServedFormat(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  return (
    head.startsWith('\xff\xd8\xff') ||
    head.startsWith('\x89PNG\r\n\x1a\n') ||
    head.startsWith('GIF87a') ||
    head.startsWith('GIF89a') ||
    (head.startsWith('RIFF') && head.slice(8) === 'WEBP') ||
    ['ftypavif', 'ftypavis'].includes(head.slice(4))
  );
}
