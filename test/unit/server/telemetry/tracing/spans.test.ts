import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { trace } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import {
  AnnouncingExporter,
  parentOf,
  toTraceparent,
} from '../../../../../src/server/telemetry/open-telemetry.ts';
import { phasesOf } from '../../../../../src/server/telemetry/request-trace.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe("The caller's traceparent", () => {
  test('is taken as the parent, with its flags', () => {
    for (const flags of ['00', '01']) {
      const context = trace.getSpanContext(parentOf(`00-${TRACE}-${SPAN}-${flags}`));
      assert.equal(context?.traceId, TRACE);
      assert.equal(context?.spanId, SPAN);
      assert.equal(toTraceparent(context!), `00-${TRACE}-${SPAN}-${flags}`);
    }
  });

  test('may have more fields in a later version', () => {
    assert.ok(trace.getSpanContext(parentOf(`cc-${TRACE}-${SPAN}-01-what-comes`)));
  });

  const malformed = [
    undefined,
    '',
    'hello',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
  ];
  for (const value of malformed) {
    test(`is ignored when it is ${JSON.stringify(value)}`, () => {
      assert.equal(trace.getSpanContext(parentOf(value)), undefined);
    });
  }
});

describe('The phases of a request', () => {
  const ms = { prepare: 5, queue: 0, image: 20, prefill: 30, first_token: 58, thinking: 40 };

  test('follow each other from arrival to end', () => {
    const phases = phasesOf({ decision: 'think', ms: { ...ms, first_answer: 100, total: 130 } });
    assert.deepEqual(
      phases.map(({ name, from, to }) => [name, from, to]),
      [
        ['prepare', 0, 5],
        ['image', 5, 25],
        ['prefill', 25, 55],
        ['decision', 55, 58],
        ['think', 58, 100],
        ['answer', 100, 130],
      ],
    );
  });

  test('have no thinking phase in a direct answer', () => {
    const phases = phasesOf({ decision: 'fast', ms: { ...ms, first_answer: 60, total: 90 } });
    assert.deepEqual(
      phases.slice(-2).map(({ name, from, to }) => [name, from, to]),
      [
        ['decision', 55, 58],
        ['answer', 58, 90],
      ],
    );
  });

  test('end with the thinking when there is no answer, and with the queue when there is no token', () => {
    const cut = phasesOf({ decision: 'think', ms: { ...ms, first_answer: null, total: 90 } });
    assert.deepEqual(cut.at(-1), { name: 'think', from: 58, to: 90 });
    const none = { prepare: 5, queue: 70, image: null, prefill: null, thinking: null };
    const refused = { ...none, first_token: null, first_answer: null, total: 60 };
    assert.deepEqual(phasesOf({ decision: null, ms: refused }), [
      { name: 'prepare', from: 0, to: 5 },
      { name: 'queue', from: 5, to: 60 },
    ]);
  });
});

test('AnnouncingExporter announces a failing collector once, and its recovery once', () => {
  const heard: string[] = [];
  const codes = [1, 1, 0, 0];
  const exporter = new AnnouncingExporter(
    {
      export: (_spans, done) =>
        done({ code: codes.shift() ?? 0, error: new Error('ECONNREFUSED') }),
      shutdown: async () => {},
    },
    (message) => heard.push(message),
  );
  const spans = [{}, {}, {}] as ReadableSpan[];
  const answers: number[] = [];
  for (let index = 0; index < 4; index++) exporter.export(spans, ({ code }) => answers.push(code));
  assert.deepEqual(answers, [1, 1, 0, 0]);
  assert.deepEqual(heard, [
    'traces cannot be sent: ECONNREFUSED',
    'traces are sent again; 6 spans are lost',
  ]);
});
