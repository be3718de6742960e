import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { ChatInputError } from '../../../../../src/server/prompt/chat-input-error.ts';
import { decodeImage } from '../../../../../src/server/prompt/images/decode.ts';
import type { RgbImage } from '../../../../../src/server/prompt/images/resize.ts';
import { imageBombs, pngBomb, soundImages } from '../../../../helpers/broken-images.ts';

const LIMITS = { maxPixels: 1_000_000, timeoutMs: 10_000 };
const PARAM = 'messages[0].content[1]';

const decode = (bytes: Uint8Array): Promise<RgbImage> => decodeImage(bytes, LIMITS, PARAM);

function flat(width: number, height: number, background: string): Sharp {
  return sharp({ create: { width, height, channels: 3, background } });
}

function refusal(code: string, pattern: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ChatInputError &&
    error.code === code &&
    error.param === PARAM &&
    pattern.test(error.message);
}

describe('decoding an image', () => {
  for (const format of ['png', 'jpeg', 'webp', 'gif', 'avif'] as const) {
    it(`reads ${format}`, async () => {
      const bytes = await flat(16, 8, '#c02040').toFormat(format).toBuffer();
      const { width, height, data } = await decode(bytes);
      assert.deepEqual([width, height, data.length], [16, 8, 16 * 8 * 3]);
      for (const [channel, value] of [0xc0, 0x20, 0x40].entries()) {
        assert.ok(Math.abs(data[channel]! - value) <= 4, `channel ${channel}: ${data[channel]}`);
      }
    });
  }

  it('lays transparency on white', async () => {
    const clear = { r: 0, g: 0, b: 0, alpha: 0 };
    const image = sharp({ create: { width: 2, height: 2, channels: 4, background: clear } });
    const { data } = await decode(await image.png().toBuffer());
    assert.ok(data.every((value) => value === 255));
  });

  it('turns the image as its EXIF orientation says', async () => {
    const pixels = Buffer.from([255, 0, 0, 0, 0, 255]);
    const bytes = await sharp(pixels, { raw: { width: 2, height: 1, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const { width, height, data } = await decode(bytes);
    assert.deepEqual([width, height], [1, 2]);
    assert.deepEqual([...data], [255, 0, 0, 0, 0, 255]);
  });

  it('takes the first frame of an animation', async () => {
    const frames = Buffer.alloc(4 * 8 * 3);
    frames.fill(Buffer.from([0, 200, 0]), 0, 4 * 4 * 3);
    const bytes = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
      .gif({ delay: [100, 100] })
      .toBuffer();
    assert.equal((await sharp(bytes).metadata()).pages, 2);
    const { width, height, data } = await decode(bytes);
    assert.deepEqual([width, height], [4, 4]);
    assert.deepEqual([...data.subarray(0, 3)], [0, 200, 0]);
  });

  it('makes three channels of grey, of 16 bits and of a palette', async () => {
    const grey = await flat(3, 3, '#808080').toColourspace('b-w').png().toBuffer();
    const deep = await flat(3, 3, '#808080').toColourspace('rgb16').png().toBuffer();
    const palette = await flat(3, 3, '#808080').png({ palette: true }).toBuffer();
    for (const bytes of [grey, deep, palette]) {
      const { data } = await decode(bytes);
      assert.equal(data.length, 27);
      assert.ok(data.every((value) => Math.abs(value - 128) <= 1));
    }
  });

  it('makes RGB of CMYK', async () => {
    const bytes = await flat(8, 8, '#ffffff').toColourspace('cmyk').jpeg().toBuffer();
    assert.equal((await sharp(bytes).metadata()).space, 'cmyk');
    const { data } = await decode(bytes);
    assert.equal(data.length, 8 * 8 * 3);
    assert.ok(data.every((value) => value >= 245));
  });

  it('ignores the colour profile of an RGB image, as PIL does', async () => {
    const image = flat(2, 2, '#c02040');
    const plain = await decode(await image.clone().png().toBuffer());
    const bytes = await image.clone().withIccProfile('p3').png().toBuffer();
    const stored = await sharp(bytes, { ignoreIcc: true }).raw().toBuffer();
    assert.notDeepEqual([...stored.subarray(0, 3)], [...plain.data.subarray(0, 3)]);
    assert.deepEqual([...(await decode(bytes)).data], [...stored]);
  });
});

describe('refusing an image', () => {
  it('names both numbers when it has too many pixels, before unpacking it', async () => {
    await assert.rejects(
      decode(pngBomb(30_000, 30_000)),
      refusal('image_too_large', /30000 x 30000 = 900000000 pixels; at most 1000000/),
    );
  });

  it('refuses a header that claims a size no memory could hold, in every format', async () => {
    for (const [name, bytes] of Object.entries(await imageBombs())) {
      await assert.rejects(
        decode(bytes),
        ({ code }: ChatInputError) => code === 'image_too_large' || code === 'invalid_image',
        name,
      );
    }
  });

  it('refuses an image that is cut off, in every format and wherever', async () => {
    for (const [name, bytes] of Object.entries(await soundImages())) {
      await decode(bytes);
      for (const share of [0.1, 0.3, 0.5, 0.7, 0.9]) {
        await assert.rejects(
          decode(bytes.subarray(0, Math.floor(bytes.length * share))),
          ({ code }: ChatInputError) =>
            code === 'invalid_image' || code === 'unsupported_image_format',
          `${name} cut at ${share}`,
        );
      }
    }
  });

  it('refuses an image that is far longer than wide', async () => {
    const bytes = await flat(2, 900, '#000000').png().toBuffer();
    await assert.rejects(decode(bytes), refusal('invalid_image', /2 x 900 .* at most 200 times/));
  });

  it('refuses truncated data', async () => {
    const bytes = await sharp(Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => i * 7)), {
      raw: { width: 64, height: 64, channels: 3 },
    })
      .png()
      .toBuffer();
    const cut = bytes.subarray(0, bytes.length / 2);
    await assert.rejects(decode(cut), refusal('invalid_image', /cannot be decoded/));
  });

  for (const [name, bytes] of [
    ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['TIFF', Buffer.from('II*\0________')],
    ['text', Buffer.from('hello')],
    ['nothing', Buffer.alloc(0)],
  ] as const) {
    it(`refuses ${name}, naming the formats served`, async () => {
      await assert.rejects(decode(bytes), refusal('unsupported_image_format', /JPEG, PNG, WebP/));
    });
  }
});
