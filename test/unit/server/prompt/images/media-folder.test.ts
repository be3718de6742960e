import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ChatInputError } from '../../../../../src/server/prompt/chat-input-error.ts';
import { ImageFetcher } from '../../../../../src/server/prompt/images/fetch.ts';
import { MediaFolder } from '../../../../../src/server/prompt/images/media-folder.ts';
import { scratchDir } from '../../../../helpers/scratch-dir.ts';

const PARAM = 'messages[0].content[0]';

/** A folder `images` with an image in it, and beside it what must not be read. */
async function setUp(context: TestContext) {
  const root = scratchDir(context);
  const images = join(root, 'images');
  mkdirSync(join(images, 'deep'), { recursive: true });
  mkdirSync(join(root, 'images-of-others'));
  writeFileSync(join(images, 'a.png'), 'inside');
  writeFileSync(join(images, 'deep', 'b c.png'), 'deeper');
  writeFileSync(join(images, 'large.png'), 'x'.repeat(1001));
  writeFileSync(join(root, 'secret'), 'secret');
  writeFileSync(join(root, 'images-of-others', 'a.png'), 'secret');
  symlinkSync(join(root, 'secret'), join(images, 'link.png'));
  symlinkSync(join(images, 'a.png'), join(images, 'inner-link.png'));
  symlinkSync(root, join(images, 'up'));
  execFileSync('mkfifo', [join(images, 'pipe.png')]);
  const folder = await MediaFolder.open(images, 1000);
  const fetcher = new ImageFetcher({
    maxBytes: 1000,
    timeoutMs: 1000,
    isAllowed: () => false,
    folder,
  });
  context.after(() => fetcher.close());
  return { root, images, fetch: (url: string) => fetcher.fetch(url, PARAM) };
}

test('images inside the folder are read, also through links that stay inside', async (context) => {
  const { images, fetch } = await setUp(context);
  for (const [name, text] of [
    ['a.png', 'inside'],
    ['deep/b c.png', 'deeper'],
    ['deep/../a.png', 'inside'],
    ['inner-link.png', 'inside'],
  ] as const) {
    const url = pathToFileURL(join(images, name)).href;
    assert.equal(Buffer.from(await fetch(url)).toString(), text, name);
    assert.equal(Buffer.from(await fetch(url.replace('file:', 'FILE:'))).toString(), text, name);
  }
});

test('what lies outside, is missing or is no file is refused in the same words, which name no path', async (context) => {
  const { root, images, fetch } = await setUp(context);
  const base = pathToFileURL(images).href;
  const messages = new Set<string>();
  for (const url of [
    'file:///etc/passwd',
    'file:/etc/passwd',
    'file://localhost/etc/passwd',
    'file://evil.example/etc/passwd',
    `${base}/../secret`,
    `${base}/%2e%2e/secret`,
    `${base}/..%2fsecret`,
    `${base}/deep/../../secret`,
    `${base}/link.png`,
    `${base}/up/secret`,
    `${base}/up/images-of-others/a.png`,
    `${base}-of-others/a.png`,
    `${base}/missing.png`,
    `${base}/a.png%00.jpg`,
    `${base}/a.png/`,
    `${base}/deep`,
    `${base}/pipe.png`,
    base,
    pathToFileURL(join(root, 'missing')).href,
    'file://',
    'file:a.png',
  ]) {
    await assert.rejects(fetch(url), (error: unknown) => {
      assert.ok(error instanceof ChatInputError, url);
      assert.equal(error.code, 'invalid_image_url', url);
      messages.add(error.message);
      return true;
    });
  }
  assert.deepEqual(
    [...messages],
    ['The file: URL names no image of the folder this server reads from.'],
  );
});

test('a file beyond the limit is refused with both numbers', async (context) => {
  const { images, fetch } = await setUp(context);
  const url = pathToFileURL(join(images, 'large.png')).href;
  await assert.rejects(fetch(url), /has 1001 bytes; at most 1000/);
});

test('a folder that does not exist is an error at the start', async (context) => {
  await assert.rejects(MediaFolder.open(join(scratchDir(context), 'none'), 1));
});
