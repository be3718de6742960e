import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { GenerationRequest } from '../../../../src/engine/generation.ts';
import { FakeEngineClient, scriptedEvents } from '../../../helpers/fake-engine-client.ts';
import { CHAT_ROWS, type FieldRow, OTHER_ROUTES } from '../../../helpers/field-rows.ts';
import { buildTestApp } from '../../../helpers/test-app.ts';

type Schema = Record<string, unknown>;

const DESCRIPTION = JSON.parse(readFileSync('openapi/openapi.json', 'utf8'));

/** Every field of a schema, as `messages[].content[].text`; free keys of an object are `.*`. */
function* fieldsOf(schema: Schema, path = '', seen: readonly string[] = []): Generator<string> {
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    if (seen.includes(reference)) return;
    const name = reference.slice('#/components/schemas/'.length);
    yield* fieldsOf(DESCRIPTION.components.schemas[name], path, [...seen, reference]);
    return;
  }
  for (const branches of [schema['anyOf'], schema['oneOf'], schema['allOf']]) {
    for (const branch of (branches ?? []) as Schema[]) yield* fieldsOf(branch, path, seen);
  }
  if (schema['items'] !== undefined) yield* fieldsOf(schema['items'] as Schema, `${path}[]`, seen);
  if (typeof schema['additionalProperties'] === 'object') yield `${path}.*`;
  for (const [name, child] of Object.entries(
    (schema['properties'] ?? {}) as Record<string, Schema>,
  )) {
    const at = path === '' ? name : `${path}.${name}`;
    yield at;
    yield* fieldsOf(child, at, seen);
  }
}

function publishedFields(route: string): string[] {
  const { content } = DESCRIPTION.paths[route].post.requestBody;
  return [...new Set(fieldsOf(content['application/json'].schema))].sort();
}

/** Fields of a chat request by the types of the openai package. */
function openAiFields(): string[] {
  const file = 'node_modules/openai/resources/chat/completions/completions.d.ts';
  const [, body = ''] = readFileSync(file, 'utf8').split(
    'interface ChatCompletionCreateParamsBase {',
  );
  const own = body.slice(0, body.indexOf('\n}'));
  return [...own.matchAll(/^ {4}(\w+)\??:/gm)].map(([, name = '']) => name);
}

/** A plain generation, which ends at the first stop string that it is to look for in its thinking. */
function play(request: GenerationRequest) {
  const [stop] = request.stop;
  if (request.thinking.stopInThinking !== true || stop === undefined)
    return scriptedEvents(request);
  const finish = { stopString: stop, thinkingEnd: 'stop' } as const;
  return scriptedEvents(request, { reasoning: ['Let '], answer: [], finish });
}

/** One app for all requests: what each leads to does not depend on those before it. */
const engine = Object.assign(new FakeEngineClient(play), {
  limits: { slotCapacity: 4096, vocabSize: 300 },
});
const { app, formatter } = await buildTestApp({ engine });

/** What a request led to: the plan for the engine and the chat room, and the reply without what differs every time. */
async function outcomeOf(route: string, body: Record<string, unknown>) {
  const numAsked = engine.requests.length;
  const numWritten = formatter.calls.length;
  const reply = await app.inject({ method: 'POST', url: route, payload: body });
  const passing = /"(?:created|created_at|completed_at|id|item_id)":(?:\d+|"[^"]*")/g;
  return {
    status: reply.statusCode,
    text: reply.body.replaceAll(passing, '""'),
    error: reply.statusCode === 400 ? reply.json().error : null,
    asked: engine.requests
      .slice(numAsked)
      .map(({ id: _id, group: _group, sampling: { seed, ...sampling }, ...request }) => ({
        ...request,
        // Drawn afresh where the request names none.
        sampling: { ...sampling, seed: body['seed'] === undefined ? null : seed },
      })),
    written: formatter.calls.slice(numWritten).map(({ signal: _signal, ...call }) => call),
  };
}

const BASE = { model: 'test-model', messages: [{ role: 'user', content: 'Hello' }], seed: 1 };

async function checkRow(
  route: string,
  { path, set, from, effect }: FieldRow,
  base: Record<string, unknown> = BASE,
): Promise<void> {
  const { error, ...outcome } = await outcomeOf(route, { ...base, ...set });
  if (effect === 'refused') {
    assert.equal(outcome.status, 400, outcome.text);
    const parts = path.replaceAll('[]', '').split('.');
    // Anthropic's errors have the name in the message alone.
    const param = error.param ?? /`([^`]+)`/.exec(error.message)?.[1];
    const named = String(param)
      .replaceAll(/\[\d+\]/g, '')
      .split('.');
    assert.deepEqual(named, parts, `${path} is named, not ${param}`);
    assert.ok(error.message.includes(parts.at(-1)), error.message);
    assert.deepEqual(outcome.asked, []);
    return;
  }
  assert.equal(outcome.status, 200, outcome.text);
  const { error: _error, ...before } = await outcomeOf(route, { ...base, ...from });
  assert.equal(before.status, 200, before.text);
  if (effect === 'changes') assert.notDeepEqual(outcome, before);
  else assert.deepEqual(outcome, before);
}

const DOES: Readonly<Record<FieldRow['effect'], string>> = {
  changes: 'changes the plan or the reply',
  nothing: 'is accepted',
  refused: 'is rejected by name',
};

function assertSameFields(rows: readonly FieldRow[], published: readonly string[]): void {
  const named = new Set(rows.map(({ path }) => path));
  const fields = new Set(published);
  const without = (all: Set<string>, some: Set<string>) => [...all].filter((at) => !some.has(at));
  assert.deepEqual(without(fields, named), [], 'add a row to test/helpers/field-rows.ts');
  assert.deepEqual(without(named, fields), [], 'take the row out of test/helpers/field-rows.ts');
}

/** Two outcomes of one request are equal: a change seen in a row is the field's. */
async function assertSteady(route: string, base: Record<string, unknown>): Promise<void> {
  for (const body of [base, { ...base, stream: true }]) {
    assert.deepEqual(await outcomeOf(route, body), await outcomeOf(route, body));
  }
}

describe('Every field of /v1/chat/completions', () => {
  const route = '/v1/chat/completions';

  test('has a row in the table, and every row has a field', () => {
    assertSameFields(CHAT_ROWS, publishedFields(route));
  });

  test("of OpenAI's own client is a field here too or is rejected by name", async () => {
    const published = new Set(publishedFields(route));
    const known = openAiFields();
    assert.ok(known.length > 30, `${known.length} fields`);
    for (const field of known.filter((name) => !published.has(name))) {
      const { status, error } = await outcomeOf(route, { ...BASE, [field]: 'x' });
      assert.equal(status, 400, field);
      assert.equal(error.param, field);
      assert.equal(error.message, `\`${field}\` is not supported by this server.`);
    }
  });

  test('gives the same outcome twice', () => assertSteady(route, BASE));

  for (const row of CHAT_ROWS) {
    test(`${row.path} ${DOES[row.effect]}`, () => checkRow(route, row));
  }
});

for (const [route, { base, rows }] of Object.entries(OTHER_ROUTES)) {
  describe(`Every field at the top of ${route}`, () => {
    test('has a row in the table, and every row has a field', () => {
      const isAtTop = (path: string): boolean => !/[.[]/.test(path);
      assertSameFields(rows, publishedFields(route).filter(isAtTop));
    });

    test('gives the same outcome twice', () => assertSteady(route, base));

    for (const row of rows) {
      test(`${row.path} ${DOES[row.effect]}`, () => checkRow(route, row, base));
    }
  });
}
