import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Screen } from '../../src/client/answer-printer.ts';
import { type AskOptions, ask } from '../../src/client/ask.ts';
import { KeyRing, parseApiKeys } from '../../src/server/http/access/api-keys.ts';
import { DEFAULT_ACCESS } from '../../src/server/http/access/gate.ts';
import { FakeEngineClient, finishEvent, scriptedEvents } from '../helpers/fake-engine-client.ts';
import { deserted, listeningApp } from '../helpers/listening-app.ts';

const NOBODY = await deserted();
const ESCAPE = '\u001b';
const DIMMED = new RegExp(`${ESCAPE}\\[2m(.*?)${ESCAPE}\\[0m`, 'g');
const PNG = Buffer.from('89504e470d0a1a0a0000', 'hex');

class Paper implements Screen {
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
  const screen = new Paper(colours);
  await ask({ question: 'How much?', url: NOBODY, screen, ...options });
  return screen.text;
}

test('thinking and answer are shown apart, with a line about both', async (context) => {
  const { url } = await listeningApp(context);
  assert.match(
    await run({ url }),
    /^Let me see\.\n\nForty-two\n\nmode think · p\(think\) 0\.750 · 4 thinking \+ 3 answer tokens · [\d.]+ tokens\/s\n$/,
  );
});

test('thinking and the last line are dimmed where colours are wanted, the answer never', async (context) => {
  const { url } = await listeningApp(context);
  const text = await run({ url }, true);
  const dimmed = [...text.matchAll(DIMMED)].map(([, part]) => part);
  assert.deepEqual(dimmed.slice(0, 3), ['Let ', 'me ', 'see.']);
  assert.match(dimmed[3] ?? '', /^mode think/);
  assert.equal(text.replaceAll(DIMMED, '').trim(), 'Forty-two');
});

test('without colours there is no escape sequence', async (context) => {
  const { url } = await listeningApp(context);
  assert.ok(!(await run({ url })).includes(ESCAPE));
});

test('a server with keys is asked with one, and says so where there is none', async (context) => {
  const secret = 'sk-0123456789abcdef';
  const access = { ...DEFAULT_ACCESS, keys: new KeyRing(parseApiKeys(`me:${secret}`, 'test')) };
  const { url } = await listeningApp(context, { settings: { access } });
  assert.match(await run({ url, apiKey: secret }), /Forty-two/);
  await assert.rejects(run({ url }), /refused: An API key is needed/);
});

test('the mode is passed on', async (context) => {
  const { url, engine } = await listeningApp(context);
  assert.match(await run({ url, mode: 'fast' }), /^Forty-two\n\nmode fast · 0 thinking/);
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
});

test('a budget that ended the thinking is said', async (context) => {
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

test('an image file travels as a data URL of its own kind', async (context) => {
  const { url, formatter } = await listeningApp(context);
  await run({ url, image: await imageFile(context, PNG) });
  assert.deepEqual(formatter.calls[0]?.messages[0]?.content, [
    { type: 'image', source: `data:image/png;base64,${PNG.toString('base64')}`, detail: 'auto' },
    { type: 'text', text: 'How much?' },
  ]);
});

test('a file that is no image is refused before any server is asked', async (context) => {
  const file = await imageFile(context, Buffer.from('hello, world'));
  await assert.rejects(run({ image: file }), /is not a PNG, JPEG, GIF or WebP image/);
  await assert.rejects(run({ image: '/nowhere.png' }), /"\/nowhere\.png" cannot be read/);
});

test('where no server answers one is started, asked and closed', async (context) => {
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

test('a started server is closed even when the answer breaks off', async (context) => {
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

test('without a way to start one, a missing server is an error that names the address', async () => {
  await assert.rejects(run({}), new Error(`No server answers at ${NOBODY}.`));
});

test("a refusal is shown in the server's words", async (context) => {
  const engine = new FakeEngineClient();
  engine.state = 'loading';
  const { url } = await listeningApp(context, { engine });
  await assert.rejects(run({ url }), /refused: The model is not ready/);
});
