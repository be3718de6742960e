import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { chatCompletionRequestSchema } from '../../src/server/api/openai-chat/request-schema.ts';
import type { Json } from '../../src/tools/openapi/openapi-document.ts';
import { generateOpenApi } from '../../src/tools/openapi/write-openapi.ts';
import { buildTestApp } from '../helpers/test-app.ts';

type JsonObject = Record<string, Json>;

const text = await generateOpenApi();
const document = JSON.parse(text);

/** Every object in the document with the path to it. */
function* objectsIn(value: Json, path = ''): Generator<[string, JsonObject]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [path, value];
  for (const [key, child] of Object.entries(value)) yield* objectsIn(child, `${path}/${key}`);
}

test('the committed description matches the routes', async () => {
  assert.equal(await readFile('openapi/openapi.json', 'utf8'), text, 'run: npm run openapi');
});

test('the description has what OpenAPI 3.1 requires', () => {
  assert.match(document.openapi, /^3\.1\.\d+$/);
  assert.equal(typeof document.info.title, 'string');
  assert.equal(typeof document.info.version, 'string');
  for (const [path, item] of Object.entries<JsonObject>(document.paths)) {
    assert.match(path, /^\//);
    for (const [method, operation] of Object.entries(item)) {
      assert.match(method, /^(get|put|post|delete|options|head|patch|trace)$/);
      const responses = Object.entries((operation as { responses: JsonObject }).responses);
      assert.ok(responses.length > 0);
      for (const [status, response] of responses) {
        assert.match(status, /^([1-5]\d\d|[1-5]XX|default)$/);
        assert.equal(typeof (response as JsonObject)['description'], 'string', `${path} ${status}`);
      }
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const parameters = (operation as { parameters?: { name: string; in: string }[] }).parameters;
      const inPath = (parameters ?? []).filter((parameter) => parameter.in === 'path');
      assert.deepEqual(
        inPath.map(({ name }) => name),
        names,
      );
    }
  }
  const ids = Object.values<JsonObject>(document.paths).flatMap((item) =>
    Object.values(item).map((operation) => (operation as JsonObject)['operationId']),
  );
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.every((id) => typeof id === 'string'));
});

test('every reference resolves and every schema is referenced', () => {
  const schemas: JsonObject = document.components.schemas;
  const targets = new Set<string>();
  for (const [path, { $ref }] of objectsIn(document)) {
    if (typeof $ref !== 'string') continue;
    const name = $ref.replace('#/components/schemas/', '');
    assert.ok(name in schemas, `${path} refers to ${$ref}`);
    targets.add(name);
  }
  assert.deepEqual(Object.keys(schemas).sort(), [...targets].sort());
  assert.ok(Object.keys(schemas).every((name) => !name.endsWith('Input')));
});

test('schemas use JSON Schema 2020-12 and no older dialect', () => {
  const types = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']);
  for (const [path, node] of objectsIn(document.components.schemas)) {
    if (/\/properties$/.test(path)) continue;
    if (typeof node['type'] === 'string')
      assert.ok(types.has(node['type']), `${path}: ${node['type']}`);
    assert.equal(node['nullable'], undefined, path);
    assert.notEqual(typeof node['exclusiveMinimum'], 'boolean', path);
  }
});

test('the description lists every field of the request and allows no other', () => {
  const schema = document.components.schemas.ChatCompletionRequest;
  assert.deepEqual(
    Object.keys(schema.properties).sort(),
    Object.keys(chatCompletionRequestSchema.shape).sort(),
  );
  assert.equal(schema.additionalProperties, false);
  assert.deepEqual(schema.required, ['model', 'messages']);
});

test('all routes but the open ones need a key when the server has keys', () => {
  const schemes = Object.keys(document.components.securitySchemes);
  assert.deepEqual(document.security, [{}, ...schemes.map((name) => ({ [name]: [] }))]);
  const open = Object.entries<JsonObject>(document.paths).filter(([, item]) =>
    Object.values(item).some((operation) => 'security' in (operation as JsonObject)),
  );
  assert.deepEqual(
    open.map(([path]) => path),
    ['/health', '/ready', '/version'],
  );
});

test('every path of the description is served', async () => {
  const { app } = await buildTestApp();
  for (const [path, item] of Object.entries<JsonObject>(document.paths)) {
    for (const method of Object.keys(item)) {
      const url = path.replace('{id}', 'test-model');
      const payload = method === 'post' ? {} : undefined;
      const reply = await app.inject({
        method: method.toUpperCase() as 'GET',
        url,
        ...(payload && { payload }),
      });
      assert.ok(![404, 405, 500].includes(reply.statusCode), `${method} ${path}`);
    }
  }
});
