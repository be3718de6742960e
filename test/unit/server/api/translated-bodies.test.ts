import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { repetitions } from '../../../helpers/corpus-sample.ts';
import { buildTestApp } from '../../../helpers/test-app.ts';

const PNG = 'data:image/png;base64,AAAA';
const SCHEMA = { type: 'object', properties: { city: { type: 'string' } } };

/** A body of every endpoint that is translated, with everything in it that can be. */
const BODIES: Readonly<Record<string, object>> = {
  '/v1/messages': {
    model: 'test-model',
    max_tokens: 50,
    system: [{ type: 'text', text: 'Be brief.' }],
    messages: [
      { role: 'user', content: [{ type: 'image', source: { type: 'url', url: PNG } }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Hm.', signature: 'x' },
          { type: 'tool_use', id: 'a', name: 'weather', input: { city: 'Bern' } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text', text: 'Rain.' }] },
        ],
      },
    ],
    tools: [{ name: 'weather', input_schema: SCHEMA }],
    tool_choice: { type: 'auto' },
    thinking: { type: 'enabled', budget_tokens: 20 },
    stop_sequences: ['X'],
    temperature: 0.5,
  },
  '/v1/responses': {
    model: 'test-model',
    instructions: 'Be brief.',
    input: [
      { role: 'user', content: [{ type: 'input_image', image_url: PNG, detail: 'low' }] },
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] },
      { type: 'function_call', call_id: 'a', name: 'weather', arguments: '{}' },
      { type: 'function_call_output', call_id: 'a', output: 'Rain.' },
    ],
    tools: [{ type: 'function', name: 'weather', parameters: SCHEMA }],
    tool_choice: { type: 'function', name: 'weather' },
    reasoning: { effort: 'low', summary: 'auto' },
    text: { format: { type: 'json_object' } },
    max_output_tokens: 50,
  },
  '/v1/completions': {
    model: 'test-model',
    prompt: ['One', [84, 119, 111]],
    max_tokens: 5,
    logprobs: 1,
    stop: ['X'],
    n: 2,
  },
  '/tokenize': {
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: PNG } }] }],
    tools: [{ type: 'function', function: { name: 'weather', parameters: SCHEMA } }],
    thinking_mode: 'think',
  },
};

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

/** Every place in a body where something can be put. */
function placesIn(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.entries(holder).flatMap(([key, child]) => [{ holder, key }, ...placesIn(child)]);
}

const junk = fc.oneof(
  fc.constantFrom(null, true, -1, 0, 1e308, '', 'auto', 'nobody', [], {}, [[]], [null]),
  fc.jsonValue({ maxDepth: 3 }),
);
const change = fc.record({
  at: fc.nat(),
  what: fc.constantFrom('replace', 'remove', 'double', 'add'),
  value: junk,
});

function mutate({ holder, key }: Place, what: string, value: unknown): void {
  if (what === 'remove') delete holder[key];
  else if (what === 'replace') holder[key] = value;
  else if (what === 'add') holder['extra'] = value;
  else if (Array.isArray(holder)) holder.push(holder[Number(key)]);
  else holder[key] = [holder[key], holder[key]];
}

for (const [url, body] of Object.entries(BODIES)) {
  test(`${url} answers or rejects whatever changes in a body, and never fails`, async () => {
    const { app, failures } = await buildTestApp();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 3 }), async (changes) => {
        const payload = structuredClone(body);
        for (const { at, what, value } of changes) {
          const places = placesIn(payload);
          const place = places[at % places.length];
          if (place !== undefined) mutate(place, what, structuredClone(value));
        }
        const reply = await app.inject({ method: 'POST', url, payload });
        assert.ok(
          reply.statusCode < 500,
          `${reply.statusCode} ${reply.body} ${JSON.stringify(payload)}`,
        );
        if (changes.length === 0) assert.equal(reply.statusCode, 200, reply.body);
        if (reply.statusCode >= 400) assert.ok(reply.json().error.message);
      }),
      { numRuns: repetitions(400, 100), includeErrorInReport: true },
    );
    assert.deepEqual(failures, []);
  });
}
