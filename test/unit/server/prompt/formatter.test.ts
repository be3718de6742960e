import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import type { Manifest } from '../../../../src/package/manifest.ts';
import { BUILTIN_PROTOCOLS } from '../../../../src/package/protocols/builtin-protocols.ts';
import { ChatInputError } from '../../../../src/server/prompt/chat-input-error.ts';
import {
  type ChatFormatter,
  type ChatFormatterOptions,
  createChatFormatter,
} from '../../../../src/server/prompt/formatter.ts';
import type { ChatMessage, ImagePart } from '../../../../src/server/prompt/messages.ts';
import { tinyTokenizer } from '../../../helpers/tiny-tokenizer.ts';

const tiny = tinyTokenizer();
const TILE = 8;

const MANIFEST: Manifest = {
  format: 'thinkgate-package',
  version: 1,
  name: 'tiny',
  architecture: 'r4b',
  precision: 'fp32',
  text: {
    vocabSize: tiny.size,
    hiddenSize: 8,
    numLayers: 1,
    numHeads: 1,
    numKvHeads: 1,
    headDim: 8,
    maxPositions: 200,
    ropeTheta: 10_000,
    tiedEmbeddings: true,
  },
  vision: {
    tileSize: TILE,
    patchSize: 4,
    patchesPerSide: 2,
    numLayers: 1,
    hiddenSize: 8,
    gridPinpoints: [
      [TILE, TILE],
      [TILE, 2 * TILE],
    ],
    resample: 'bicubic',
  },
  tokens: { image: tiny.ids['<image>']!, eos: [tiny.ids['<|im_end|>']!] },
  graphs: { vision: 'vision.onnx', embed: 'embed.onnx', decoder: 'decoder.onnx' },
  imageNewline: 'newline.bin',
  chat: {
    template: 'chat_template.jinja',
    contentFormat: 'parts',
    imagePlaceholder: '<image>',
    toolCalls: 'hermes',
  },
  tokenizer: 'tokenizer.json',
  sampling: { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1 },
  thinking: BUILTIN_PROTOCOLS['R-4B']!,
  provenance: {
    tool: 'test',
    architectures: [],
    modelType: 'R',
    storedDtypes: [],
    numParameters: 1,
    notes: [],
  },
  files: [],
};

let packageDir: string;
const open: ChatFormatter[] = [];

before(async () => {
  packageDir = await mkdtemp(join(tmpdir(), 'thinkgate-formatter-'));
  await writeFile(join(packageDir, 'tokenizer.json'), JSON.stringify(tiny.json));
  await cp(
    'test/golden/references/r4b.chat_template.jinja',
    join(packageDir, 'chat_template.jinja'),
  );
});
after(async () => {
  await Promise.all(open.map((formatter) => formatter.close()));
  await rm(packageDir, { recursive: true });
});

async function makeFormatter(options: Partial<ChatFormatterOptions> = {}): Promise<ChatFormatter> {
  const formatter = await createChatFormatter({ packageDir, manifest: MANIFEST, ...options });
  open.push(formatter);
  return formatter;
}

function pngBytes(width: number, height: number, red: number): Promise<Buffer> {
  const background = { r: red, g: 0, b: 0 };
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

async function image(width: number, height: number, red: number): Promise<ImagePart> {
  const base64 = (await pngBytes(width, height, red)).toString('base64');
  return { type: 'image', source: `data:image/png;base64,${base64}` };
}

const question = (content: ChatMessage['content']): ChatMessage[] => [{ role: 'user', content }];

describe('formatting a conversation', () => {
  it('repeats the placeholder of every image and keeps the images in prompt order', async () => {
    const formatter = await makeFormatter();
    const square = await image(10, 10, 10);
    const wide = await image(40, 20, 20);
    const { promptTokenIds, images, start, imageTokens } = await formatter.format({
      messages: [
        ...question([wide, { type: 'text', text: 'this?' }]),
        { role: 'assistant', content: 'why</think>red' },
        ...question([square]),
      ],
      mode: 'auto',
    });
    // Base of 2 x 2, then 2 rows of 2 or 4 features with a newline each.
    assert.deepEqual(
      images.map(({ numTokens, tiles }) => [numTokens, tiles[0]]),
      [
        [4 + 2 * 5, 20],
        [4 + 2 * 3, 10],
      ],
    );
    assert.equal(imageTokens, 24);
    const numPlaceholders = promptTokenIds.filter((id) => id === tiny.ids['<image>']).length;
    assert.equal(numPlaceholders, 24);
    assert.equal(start, 'block-start');
  });

  it('takes the base tile alone for low detail', async () => {
    const formatter = await makeFormatter();
    const part: ImagePart = { ...(await image(40, 20, 1)), detail: 'low' };
    const { images } = await formatter.format({ messages: question([part]), mode: 'fast' });
    assert.deepEqual(
      images.map(({ numTiles, numTokens }) => [numTiles, numTokens]),
      [[1, 5]],
    );
  });

  it('looks at images of detail auto by as many tiles as it is set to, of high by all', async () => {
    const tokensOf = async (detail: ImagePart['detail'], autoTiles?: number) => {
      const formatter = await makeFormatter(
        autoTiles === undefined ? {} : { images: { autoTiles } },
      );
      const messages = question([{ ...(await image(60, 30, 1)), detail }]);
      return (await formatter.format({ messages, mode: 'fast' })).imageTokens;
    };
    const high = await tokensOf('high');
    const low = await tokensOf('low');
    assert.ok(low < high, `${low} < ${high}`);
    assert.equal(await tokensOf('auto'), high);
    assert.equal(await tokensOf(undefined), high);
    assert.equal(await tokensOf('auto', 0), low);
    assert.equal(await tokensOf('high', 0), high);
    const between = await tokensOf('auto', 1);
    assert.ok(low < between && between < high, `${low} < ${between} < ${high}`);
  });

  it('reads file: URLs of the folder it was given, and of none by default', async () => {
    const file = join(packageDir, 'red.png');
    await writeFile(file, await pngBytes(40, 20, 1));
    const part: ImagePart = { type: 'image', source: pathToFileURL(file).href };
    const request = { messages: question([part]), mode: 'fast' } as const;
    const reading = await makeFormatter({ images: { folder: packageDir } });
    assert.equal((await reading.format(request)).images.length, 1);
    await assert.rejects(
      (await makeFormatter()).format(request),
      refusal('invalid_image_url', 'messages[0].content[0]', 'not by file:'),
    );
  });

  it('accepts a prompt that fills the limit and refuses one token more, naming both', async () => {
    const messages = question([await image(40, 20, 1)]);
    const { promptTokenIds } = await (await makeFormatter()).format({ messages, mode: 'auto' });
    const length = promptTokenIds.length;
    const fits = await makeFormatter({ maxPromptTokens: length });
    assert.equal((await fits.format({ messages, mode: 'auto' })).promptTokenIds.length, length);
    const tight = await makeFormatter({ maxPromptTokens: length - 1 });
    await assert.rejects(
      tight.format({ messages, mode: 'auto' }),
      refusal('context_length_exceeded', 'messages', `${length} tokens; at most ${length - 1}`),
    );
  });

  it('refuses a text that is too long for the model', async () => {
    const formatter = await makeFormatter();
    await assert.rejects(
      formatter.format({ messages: question('x'.repeat(300)), mode: 'auto' }),
      refusal('context_length_exceeded', 'messages', 'at most 199 fit'),
    );
  });

  it('refuses more images than allowed before it fetches any', async () => {
    const formatter = await makeFormatter({ images: { maxImages: 1 } });
    const part: ImagePart = { type: 'image', source: 'data:broken' };
    await assert.rejects(
      formatter.format({ messages: question([part, part]), mode: 'auto' }),
      refusal('too_many_images', 'messages', '2 images; at most 1'),
    );
  });

  it('names the place of the image it refuses', async () => {
    const formatter = await makeFormatter();
    const messages = [
      ...question('hi'),
      ...question([
        { type: 'text', text: 'see' },
        { type: 'image', source: 'http://127.0.0.1:9/a.png' },
      ]),
    ];
    await assert.rejects(
      formatter.format({ messages, mode: 'auto' }),
      refusal('invalid_image_url', 'messages[1].content[1]', 'not a public address'),
    );
  });

  it('refuses images for a model that reads text only', async () => {
    const manifest: Manifest = {
      ...MANIFEST,
      vision: null,
      tokens: { ...MANIFEST.tokens, image: null },
      chat: { ...MANIFEST.chat, imagePlaceholder: null },
    };
    const formatter = await makeFormatter({ manifest });
    await assert.rejects(
      formatter.format({ messages: question([await image(9, 9, 9)]), mode: 'auto' }),
      refusal('images_not_supported', 'messages[0].content[0]', '"tiny" reads text only'),
    );
    const { images } = await formatter.format({ messages: question('hi'), mode: 'auto' });
    assert.deepEqual(images, []);
  });

  it('stops when the caller has gone', async () => {
    const formatter = await makeFormatter();
    const messages = question([await image(9, 9, 9)]);
    const signal = AbortSignal.abort();
    await assert.rejects(formatter.format({ messages, mode: 'auto', signal }), {
      name: 'AbortError',
    });
  });

  it('hands the tokenizer on for the token table', async () => {
    const { tokenizer } = await makeFormatter();
    assert.equal(tokenizer.vocabSize, tiny.size);
  });
});

function refusal(code: string, param: string, text: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof ChatInputError &&
    error.code === code &&
    error.param === param &&
    error.message.includes(text);
}
