import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { buildTestApp } from '../../../helpers/test-app.ts';

const openapiFile = 'openapi/openapi.json';

test('/docs is a page with all its resources on this server', async () => {
  const { app } = await buildTestApp({ openapiFile });
  const page = await app.inject('/docs');
  assert.equal(page.statusCode, 200);
  assert.match(String(page.headers['content-type']), /^text\/html/);
  const parts = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => String(url));
  assert.ok(parts.length >= 4);
  for (const url of parts) {
    assert.match(url, /^\/docs\/static\//);
    assert.equal((await app.inject(url)).statusCode, 200, url);
  }
});

test('the page may not load foreign resources or run inline scripts', async () => {
  const { app } = await buildTestApp({ openapiFile });
  const { headers, body } = await app.inject('/docs');
  const policy = String(headers['content-security-policy']);
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self';/);
  assert.doesNotMatch(policy, /https?:|\*/);
  assert.doesNotMatch(body, /<script(?![^>]*src=)/);
});

test('the content policy of the page does not apply to the API', async () => {
  const { app } = await buildTestApp({ openapiFile });
  const { headers } = await app.inject('/v1/models');
  assert.equal(headers['content-security-policy'], undefined);
});

test('/docs shows the committed description', async () => {
  const { app } = await buildTestApp({ openapiFile });
  const initializer = await app.inject('/docs/static/swagger-initializer.js');
  assert.match(initializer.body, /resolveUrl\('\.\/json'\)/);
  const shown = (await app.inject('/docs/json')).json();
  assert.deepEqual(shown, JSON.parse(await readFile(openapiFile, 'utf8')));
});

test('other files of the server cannot be reached', async () => {
  const { app } = await buildTestApp({ openapiFile });
  for (const path of [
    '../index.js',
    '..%2findex.js',
    '%2e%2e/index.js',
    'csp.json/../../index.js',
  ]) {
    const reply = await app.inject(`/docs/static/${path}`);
    assert.ok([403, 404].includes(reply.statusCode), `${path}: ${reply.statusCode}`);
  }
});
