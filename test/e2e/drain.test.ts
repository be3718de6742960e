import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { readPackage } from '../../src/package/read-package.ts';
import { ServerProcess } from '../helpers/server-process.ts';

async function start(context: TestContext, flags: readonly string[] = []): Promise<ServerProcess> {
  const server = await ServerProcess.start(flags);
  context.after(() => server.stop());
  return server;
}

/** An answer that goes on until it has its tokens: the end-of-turn tokens are kept away. */
async function longAnswer({ url }: ServerProcess, maxTokens: number): Promise<Response> {
  const { manifest } = await readPackage('models/nano');
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'nano',
      messages: [{ role: 'user', content: 'What is 23 + 48?' }],
      stream: true,
      thinking_mode: 'fast',
      max_tokens: maxTokens,
      logit_bias: Object.fromEntries(manifest.tokens.eos.map((id) => [id, -100])),
    }),
  });
}

/** What a new request gets, on a connection of its own. */
async function knock({ url }: ServerProcess, path: string, method = 'GET'): Promise<number> {
  const reply = await fetch(url + path, {
    method,
    headers: { 'content-type': 'application/json', connection: 'close' },
    ...(method === 'POST' && { body: '{}' }),
  });
  await reply.arrayBuffer();
  return reply.status;
}

async function untilDraining(server: ServerProcess): Promise<void> {
  while ((await knock(server, '/ready')) === 200) await new Promise((wake) => setTimeout(wake, 5));
}

test('at SIGTERM a running stream is finished, new work is a 503, and the process ends with 0', async (context) => {
  const server = await start(context);
  const streaming = await longAnswer(server, 900);
  const reader = streaming.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader?.read())?.value ?? '';
  server.signal('SIGTERM');
  await untilDraining(server);
  assert.equal(await knock(server, '/v1/chat/completions', 'POST'), 503);
  assert.equal(await knock(server, '/v1/models'), 503);
  assert.equal(await knock(server, '/health'), 200);
  for (let next = await reader?.read(); next?.value; next = await reader?.read()) {
    text += next.value;
  }
  assert.match(text, /"finish_reason":"length"/);
  assert.ok(text.endsWith('data: [DONE]\n\n'));
  assert.equal(await server.exitCode(), 0);
});

test('what does not finish within the time to drain ends with an error event, and the exit code says so', async (context) => {
  const server = await start(context, ['--drain-timeout', '0.05']);
  const streaming = await longAnswer(server, 1900);
  server.signal('SIGTERM');
  const text = await streaming.text();
  assert.match(text, /shutting down and could not finish/);
  assert.doesNotMatch(text, /"finish_reason":"|\[DONE\]/);
  assert.equal(await server.exitCode(), 1);
});

test('a second signal ends at once', async (context) => {
  const server = await start(context);
  const streaming = await longAnswer(server, 1900);
  const reader = streaming.body?.getReader();
  await reader?.read();
  server.signal('SIGTERM');
  await untilDraining(server);
  server.signal('SIGTERM');
  assert.equal(await server.exitCode(), 1);
  await assert.rejects(async () => {
    while (!(await reader?.read())?.done);
  });
});

test('a server without work ends at once, whatever connections are open', async (context) => {
  const server = await start(context);
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
  server.signal('SIGTERM');
  assert.equal(await server.exitCode(), 0);
});
