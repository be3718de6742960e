import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { OpenTelemetry } from '../../src/server/telemetry/open-telemetry.ts';
import { deserted } from '../helpers/listening-app.ts';
import { buildTestApp, chatBody, postChat } from '../helpers/test-app.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';

interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
  readonly status: { readonly code?: number };
}

interface SentTraces {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[];
  }[];
}

/** What a collector takes: OTLP over HTTP, in JSON. */
async function startCollector(t: TestContext): Promise<{ url: string; spans: SentSpan[] }> {
  const spans: SentSpan[] = [];
  const server = createServer(async (request, response) => {
    assert.equal(request.url, '/v1/traces');
    const sent = (await json(request)) as SentTraces;
    for (const { scopeSpans } of sent.resourceSpans) {
      for (const scope of scopeSpans) spans.push(...scope.spans);
    }
    response.setHeader('content-type', 'application/json').end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans };
}

function tracing(endpoint: string, share = 1): OpenTelemetry {
  return new OpenTelemetry({ endpoint, share, version: '1.2.3', note: () => undefined });
}

function attributeOf({ attributes }: SentSpan, name: string): unknown {
  const [value] = Object.values(attributes.find(({ key }) => key === name)?.value ?? {});
  return value;
}

describe('OpenTelemetry', () => {
  test('receives one span per request and one per phase below it, without text', async (t) => {
    const collector = await startCollector(t);
    const tracer = tracing(collector.url);
    const { app, log } = await buildTestApp({ tracer });
    t.after(() => app.close());
    const response = await postChat(app, { messages: [{ role: 'user', content: 'zebra?' }] });
    assert.equal(response.statusCode, 200);
    await tracer.close();
    const [root, ...others] = [...collector.spans].sort((a, b) =>
      a.name.startsWith('chat') ? -1 : b.name.startsWith('chat') ? 1 : 0,
    );
    assert.ok(root);
    assert.equal(root.name, 'chat test-model');
    assert.equal(response.headers['traceparent'], `00-${root.traceId}-${root.spanId}-01`);
    assert.equal(log[0]?.trace_id, root.traceId);
    assert.equal(attributeOf(root, 'gen_ai.operation.name'), 'chat');
    assert.equal(attributeOf(root, 'gen_ai.response.id'), response.json().id);
    assert.equal(
      attributeOf(root, 'gen_ai.usage.input_tokens'),
      response.json().usage.prompt_tokens,
    );
    assert.equal(
      attributeOf(root, 'gen_ai.usage.output_tokens'),
      response.json().usage.completion_tokens,
    );
    assert.equal(
      attributeOf(root, 'thinkgate.thinking.mode'),
      response.json().choices[0].thinking.mode,
    );
    assert.ok(others.length > 0);
    for (const span of others) {
      assert.equal(span.parentSpanId, root.spanId);
      assert.ok(BigInt(span.startTimeUnixNano) >= BigInt(root.startTimeUnixNano));
      assert.ok(BigInt(span.endTimeUnixNano) <= BigInt(root.endTimeUnixNano));
    }
    assert.doesNotMatch(JSON.stringify(collector.spans), /zebra/);
  });

  test("continues the caller's trace and its sampling decision", async (t) => {
    const collector = await startCollector(t);
    const tracer = tracing(collector.url, 0);
    const { app } = await buildTestApp({ tracer });
    t.after(() => app.close());
    const traced = async (flags: string) => {
      const headers = { traceparent: `00-${TRACE}-${CALLER}-${flags}` };
      const url = '/v1/chat/completions';
      return app.inject({ method: 'POST', url, headers, payload: chatBody() });
    };
    const followed = await traced('01');
    assert.match(String(followed.headers['traceparent']), new RegExp(`^00-${TRACE}-.{16}-01$`));
    const unfollowed = await traced('00');
    assert.match(String(unfollowed.headers['traceparent']), new RegExp(`^00-${TRACE}-.{16}-00$`));
    // Its own: with a share of 0 none is kept.
    await postChat(app);
    await tracer.close();
    const roots = collector.spans.filter(({ name }) => name.startsWith('chat'));
    assert.deepEqual(
      roots.map(({ traceId, parentSpanId }) => [traceId, parentSpanId]),
      [[TRACE, CALLER]],
    );
  });

  test('receives the error of a rejected request', async (t) => {
    const collector = await startCollector(t);
    const tracer = tracing(collector.url);
    const { app } = await buildTestApp({ tracer });
    t.after(() => app.close());
    await postChat(app, { temperature: 9 });
    await tracer.close();
    const [span] = collector.spans;
    assert.ok(span);
    assert.equal(attributeOf(span, 'error.type'), 'invalid_value');
    assert.equal(Number(attributeOf(span, 'http.response.status_code')), 400);
    // The client's fault is no error of the server.
    assert.equal(span.status.code ?? 0, 0);
  });

  test('delays neither a request nor, for long, the shutdown when the collector is unreachable', async (t) => {
    const heard: string[] = [];
    const tracer = new OpenTelemetry({
      endpoint: await deserted(),
      share: 1,
      version: '1.2.3',
      note: (message) => heard.push(message),
    });
    const { app } = await buildTestApp({ tracer });
    t.after(() => app.close());
    assert.equal((await postChat(app)).statusCode, 200);
    await tracer.close();
    assert.equal(heard.length, 1);
    assert.match(heard[0] ?? '', /^traces cannot be sent: /);
  });

  test('adds no trace id when tracing is off', async (t) => {
    const { app, log } = await buildTestApp();
    t.after(() => app.close());
    const response = await postChat(app);
    assert.equal(response.headers['traceparent'], undefined);
    assert.equal(log[0]?.trace_id, null);
  });
});
