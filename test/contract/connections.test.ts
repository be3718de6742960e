import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FakeEngineClient, scriptedEvents } from '../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../helpers/listening-app.ts';
import { selfSignedCertificate } from '../helpers/self-signed-certificate.ts';
import { chatBody } from '../helpers/test-app.ts';

/** A plain connection and everything that comes back on it. */
async function open(
  context: TestContext,
  url: string,
): Promise<{ socket: Socket; reply: () => string }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  context.after(() => socket.destroy());
  let reply = '';
  socket.on('data', (bytes) => {
    reply += bytes;
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, reply: () => reply };
}

function errorOf(reply: string): { status: number; code: string; message: string } {
  const [head = '', body = ''] = reply.split('\r\n\r\n');
  assert.match(head, /x-request-id: [0-9a-f-]{36}/);
  return { status: Number(head.split(' ')[1]), ...JSON.parse(body).error };
}

test('slow headers get a 408 that names the limits, and the connection closes', async (context) => {
  const { url } = await listeningApp(context, { settings: { headersTimeoutMs: 100 } });
  const { socket, reply } = await open(context, url);
  socket.write('GET /health HTTP/1.1\r\nhost: localhost\r\n');
  const drip = setInterval(() => socket.write('x-slow: 1\r\n'), 20);
  await once(socket, 'close');
  clearInterval(drip);
  const { status, code, message } = errorOf(reply());
  assert.equal(status, 408);
  assert.equal(code, 'request_timeout');
  assert.match(message, /headers may take 100 ms/);
});

test('a slow body gets a 408 too', async (context) => {
  const { url } = await listeningApp(context, { settings: { requestTimeoutMs: 150 } });
  const { socket, reply } = await open(context, url);
  socket.write(
    'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{',
  );
  const drip = setInterval(() => socket.write(' '), 20);
  await once(socket, 'close');
  clearInterval(drip);
  assert.match(reply(), /^HTTP\/1\.1 408 .*request_timeout/s);
});

test('headers over the limit get a 431 that names it', async (context) => {
  const { url } = await listeningApp(context, { settings: { maxHeaderBytes: 4096 } });
  const { socket, reply } = await open(context, url);
  socket.write(`GET /health HTTP/1.1\r\nhost: localhost\r\nx-long: ${'x'.repeat(5000)}\r\n\r\n`);
  await once(socket, 'close');
  const { status, code, message } = errorOf(reply());
  assert.equal(status, 431);
  assert.equal(code, 'headers_too_large');
  assert.match(message, /4096 bytes/);
});

test('closes connections over the limit', async (context) => {
  const { url } = await listeningApp(context, { settings: { maxConnections: 2 } });
  const kept = [await open(context, url), await open(context, url)];
  const { socket } = await open(context, url);
  await once(socket, 'close');
  for (const { socket: other } of kept) assert.equal(other.destroyed, false);
});

function getOverTls(
  url: string,
  ca: string,
  body?: object,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        ca,
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json', connection: 'close' },
      },
      async (reply) => {
        let text = '';
        for await (const chunk of reply) text += chunk;
        resolve({ status: reply.statusCode ?? 0, text });
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

test('a server with a certificate speaks only TLS and drains as without one', async (context) => {
  const tls = selfSignedCertificate();
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const engine = new FakeEngineClient(async function* (generation) {
    for await (const event of scriptedEvents(generation)) {
      if (event.type === 'finish') await released;
      yield event;
    }
  });
  const { url, app } = await listeningApp(context, { engine, settings: { tls } });
  assert.match(url, /^https:/);
  const health = await getOverTls(`${url}/health`, tls.cert);
  assert.deepEqual(health, { status: 200, text: '{"status":"ok"}' });
  await assert.rejects(getOverTls(`${url}/health`, selfSignedCertificate().cert));
  await assert.rejects(fetch(url.replace('https:', 'http:')));
  const streamed = getOverTls(`${url}/v1/chat/completions`, tls.cert, chatBody({ stream: true }));
  await until(() => engine.requests.length === 1, 'the stream to begin');
  const closed = app.close();
  release();
  assert.match((await streamed).text, /\[DONE\]/);
  await closed;
});

test('a draining server finishes its stream, answers new connections with 503 and says why in /ready', async (context) => {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const engine = new FakeEngineClient(async function* (generation) {
    for await (const event of scriptedEvents(generation)) {
      if (event.type === 'finish') await released;
      yield event;
    }
  });
  const { url, app } = await listeningApp(context, { engine });
  const post = (body: object) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const streaming = await post(chatBody({ stream: true }));
  const closed = app.close();
  const refused = await post(chatBody());
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('connection'), 'close');
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  assert.equal(Object(await refused.json()).error.code, 'shutting_down');
  const ready = await fetch(`${url}/ready`);
  assert.equal(ready.status, 503);
  assert.equal(Object(await ready.json()).status, 'draining');
  assert.equal((await fetch(`${url}/health`)).status, 200);
  assert.equal((await fetch(`${url}/metrics`)).status, 200);
  release();
  assert.match(await streaming.text(), /\[DONE\]/);
  await closed;
  await assert.rejects(fetch(`${url}/health`));
});
