import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Screen } from '../../src/client/answer-printer.ts';
import { type AskOptions, ask } from '../../src/client/ask.ts';
import { KeyRing, parseApiKeys } from '../../src/server/http/access/api-keys.ts';
import { DEFAULT_ACCESS } from '../helpers/default-settings.ts';
import { FakeEngineClient, finishEvent, scriptedEvents } from '../helpers/fake-engine-client.ts';
import { deserted, listeningApp } from '../helpers/listening-app.ts';

const NO_SERVER = await deserted();
const ESCAPE = '\u001b';
const DIMMED = new RegExp(`${ESCAPE}\\[2m(.*?)${ESCAPE}\\[0m`, 'g');
const PNG = Buffer.from('89504e470d0a1a0a0000', 'hex');

class FakeScreen implements Screen {
  text = '';
  readonly #colours: boolean;
  constructor(colours: boolean) {
    this.#colours = colours;
  }
  write(text: string): void {
    this.text += text;
  }
  hasColors(): boolean {
    return this.#colours;
  }
}

async function run(options: Partial<AskOptions>, colours = false): Promise<string> {
  const screen = new FakeScreen(colours);
  await ask({ question: 'How much?', url: NO_SERVER, screen, ...options });
  return screen.text;
}

test('ask shows thinking, answer and a summary line', async (context) => {
  const { url } = await listeningApp(context);
  assert.match(
    await run({ url }),
    /^Let me see\.\n\nForty-two\n\nmode think · p\(think\) 0\.750 · 4 thinking \+ 3 answer tokens · [\d.]+ tokens\/s\n$/,
  );
});

test('ask dims the thinking and the summary on a screen with colours, never the answer', async (context) => {
  const { url } = await listeningApp(context);
  const text = await run({ url }, true);
  const dimmed = [...text.matchAll(DIMMED)].map(([, part]) => part);
  assert.deepEqual(dimmed.slice(0, 3), ['Let ', 'me ', 'see.']);
  assert.match(dimmed[3] ?? '', /^mode think/);
  assert.equal(text.replaceAll(DIMMED, '').trim(), 'Forty-two');
});

test('ask writes no escape sequence to a screen without colours', async (context) => {
  const { url } = await listeningApp(context);
  assert.ok(!(await run({ url })).includes(ESCAPE));
});

test('ask sends the API key, and shows the error of the server without one', async (context) => {
  const secret = 'sk-0123456789abcdef';
  const access = { ...DEFAULT_ACCESS, keys: new KeyRing(parseApiKeys(`me:${secret}`, 'test')) };
  const { url } = await listeningApp(context, { settings: { access } });
  assert.match(await run({ url, apiKey: secret }), /Forty-two/);
  await assert.rejects(run({ url }), /refused: An API key is needed/);
});

test('ask sends the thinking mode', async (context) => {
  const { url, engine } = await listeningApp(context);
  assert.match(await run({ url, mode: 'fast' }), /^Forty-two\n\nmode fast · 0 thinking/);
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
});

test('ask says that a budget ended the thinking', async (context) => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, { finish: { thinkingEnd: 'budget' } }),
  );
  const { url } = await listeningApp(context, { engine });
  assert.match(await run({ url }), /thinking ended by budget/);
});

async function imageFile(context: TestContext, content: Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ask-'));
  context.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'image');
  await writeFile(file, content);
  return file;
}

test('ask sends an image file as a data URL of its type', async (context) => {
  const { url, formatter } = await listeningApp(context);
  await run({ url, image: await imageFile(context, PNG) });
  assert.deepEqual(formatter.calls[0]?.messages[0]?.content, [
    { type: 'image', source: `data:image/png;base64,${PNG.toString('base64')}`, detail: 'auto' },
    { type: 'text', text: 'How much?' },
  ]);
});

test('ask rejects a file that is not an image before it asks a server', async (context) => {
  const file = await imageFile(context, Buffer.from('hello, world'));
  await assert.rejects(run({ image: file }), /is not a PNG, JPEG, GIF or WebP image/);
  await assert.rejects(run({ image: '/nowhere.png' }), /"\/nowhere\.png" cannot be read/);
});

test('ask starts a server where none listens, and closes it', async (context) => {
  const { url } = await listeningApp(context);
  let closed = 0;
  const startServer = async () => ({
    url,
    close: async () => {
      closed += 1;
    },
  });
  assert.match(await run({ startServer }), /Forty-two/);
  assert.equal(closed, 1);
});

test('ask closes the server that it started when the answer breaks off', async (context) => {
  const engine = new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request)) {
      if (event.type !== 'finish') yield event;
    }
    yield finishEvent(request, { reason: 'error', message: 'The step failed.' });
  });
  const { url } = await listeningApp(context, { engine });
  let closed = 0;
  const startServer = async () => ({
    url,
    close: async () => {
      closed += 1;
    },
  });
  await assert.rejects(run({ startServer }), /The answer broke off: The step failed\./);
  assert.equal(closed, 1);
});

test('ask names the address of a missing server that it may not start', async () => {
  await assert.rejects(run({}), new Error(`No server answers at ${NO_SERVER}.`));
});

test("ask shows the server's error message", async (context) => {
  const engine = new FakeEngineClient();
  engine.state = 'loading';
  const { url } = await listeningApp(context, { engine });
  await assert.rejects(run({ url }), /refused: The model is not ready/);
});
