import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { apiBase, ChatClient } from '../../src/evaluation/client/chat-client.ts';
import type { Dataset } from '../../src/evaluation/dataset/question.ts';
import { type ModeScores, scoreResults } from '../../src/evaluation/report/scores.ts';
import { ResultStore } from '../../src/evaluation/run/result-store.ts';
import { type Failure, runEvaluation } from '../../src/evaluation/run/runner.ts';
import { defaultModes, type RunSettings, resolveModes } from '../../src/evaluation/run/settings.ts';
import { PIXEL_PNG, question } from '../helpers/evaluation-fixtures.ts';
import { FakeEngineClient, scriptedEvents } from '../helpers/fake-engine-client.ts';
import { deserted, listeningApp } from '../helpers/listening-app.ts';
import { scratchDir } from '../helpers/scratch-dir.ts';

const DATASET: Dataset = {
  name: 'q.jsonl',
  sha256: 'a'.repeat(64),
  questions: [
    question({ id: '1', answers: ['Forty-two'], images: [{ kind: 'bytes', bytes: PIXEL_PNG }] }),
    question({ id: '2', answers: ['Forty-three'], category: 'wrong' }),
  ],
};

interface Asked {
  readonly scores: readonly ModeScores[];
  readonly failures: readonly Failure[];
  readonly waits: readonly number[];
}

async function evaluate(test: TestContext, url: string, modes?: readonly string[]): Promise<Asked> {
  const { signal } = new AbortController();
  const client = new ChatClient({ url, apiKey: 'secret', timeoutMs: 10_000 });
  const store = new ResultStore(join(scratchDir(test), 'results.jsonl'));
  const waits: number[] = [];
  try {
    const [model] = await client.models(signal);
    assert.ok(model);
    const settings: RunSettings = {
      source: url,
      model: model.id,
      precision: model.precision,
      prompt: 'auto',
      temperature: 0,
      seed: null,
      maxTokens: 64,
      extra: {},
    };
    const resolved = resolveModes(modes ?? defaultModes(model), model);
    const common = { dataset: DATASET, modes: resolved, settings, store };
    const failures = await runEvaluation({
      ...common,
      client,
      concurrency: 2,
      retries: 2,
      signal,
      wait: async (ms) => void waits.push(ms),
    });
    return { scores: scoreResults({ ...common, matcher: 'exact' }), failures, waits };
  } finally {
    store.close();
    await client.close();
  }
}

describe('an evaluation of our own server', () => {
  it('compares its modes, with tokens, p(think) and why thinking ended', async (test) => {
    const { url, engine, formatter } = await listeningApp(test);
    const { scores, failures } = await evaluate(test, url);
    assert.deepEqual(failures, []);
    assert.deepEqual(
      scores.map(({ mode }) => mode),
      ['fast', 'auto', 'think'],
    );
    assert.deepEqual(
      scores.map((mode) => mode.scores.map(({ isRight }) => isRight)),
      Array(3).fill([true, false]),
    );
    const [fast, auto, think] = scores.map((mode) => mode.scores[0]);
    assert.deepEqual(fast?.tokens, { all: 3, thinking: 0, answer: 3 });
    assert.deepEqual(think?.tokens, { all: 7, thinking: 4, answer: 3 });
    assert.deepEqual([fast?.hasThought, auto?.hasThought], [false, true]);
    assert.deepEqual(auto?.result.thinking, {
      mode: 'think',
      source: 'model',
      pThink: 0.75,
      endedBy: 'natural',
    });
    assert.equal(auto?.result.reasoning, 'Let me see.');
    assert.equal(engine.requests.length, 6);
    assert.ok(engine.requests.every(({ sampling }) => sampling.temperature === 0));
    assert.ok(
      formatter.calls.some(({ messages }) => JSON.stringify(messages).includes('data:image/png')),
    );
  });

  it('measures a calibrated profile as a mode of its own', async (test) => {
    const { url, engine } = await listeningApp(test);
    const { scores } = await evaluate(test, url, ['auto@economy']);
    assert.deepEqual(
      scores.map(({ mode }) => mode),
      ['auto@economy'],
    );
    assert.equal(engine.lastRequest.thinking.decisionBias?.threshold, 0.8);
  });

  it('counts a reply that broke off as a failure once retries are used up', async (test) => {
    let count = 0;
    const engine = new FakeEngineClient(async function* (request) {
      count += 1;
      yield* scriptedEvents(request, {
        finish: { reason: 'error', message: 'The engine failed.', detail: null },
      });
    });
    const { url } = await listeningApp(test, { engine });
    const { failures, scores } = await evaluate(test, url, ['fast']);
    assert.equal(count, 2 * 3);
    assert.deepEqual(
      failures.map(({ mode }) => mode),
      ['fast', 'fast'],
    );
    assert.deepEqual(scores[0]?.scores, []);
  });
});

/** Another OpenAI-compatible server: busy at first, plain JSON, thinking in the content. */
async function foreignServer(test: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('an evaluation of another server', () => {
  it('sends standard requests, honours Retry-After, and separates thinking that stands in the content', async (test) => {
    const bodies: Record<string, unknown>[] = [];
    let isBusy = true;
    const url = await foreignServer(test, async (request, response) => {
      assert.equal(request.headers.authorization, 'Bearer secret');
      if (request.url === '/v1/models') {
        response.end(JSON.stringify({ object: 'list', data: [{ id: 'other', permission: [] }] }));
        return;
      }
      const chunks = await request.toArray();
      if (isBusy) {
        isBusy = false;
        response.writeHead(429, { 'retry-after': '3' });
        response.end(JSON.stringify({ error: { message: 'slow down' } }));
        return;
      }
      bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
      response.setHeader('content-type', 'application/json');
      const content = '<think>Six times seven.</think>Forty-two';
      const choice = {
        message: { role: 'assistant', content },
        finish_reason: 'stop',
        thinking: 'on',
      };
      response.end(
        JSON.stringify({
          choices: [choice],
          usage: { completion_tokens: 9 },
        }),
      );
    });
    const { scores, waits } = await evaluate(test, url);
    assert.deepEqual(waits, [3000]);
    assert.deepEqual(
      scores.map(({ mode }) => mode),
      ['plain'],
    );
    const [first] = scores[0]?.scores ?? [];
    assert.deepEqual([first?.isRight, first?.hasThought, first?.tokens.all], [true, true, 9]);
    assert.deepEqual(Object.keys(bodies[0] ?? {}).sort(), [
      'max_tokens',
      'messages',
      'model',
      'stream',
      'stream_options',
      'temperature',
    ]);
  });

  it('fails at once when the key is wrong or the server does not answer', async (test) => {
    const url = await foreignServer(test, (_, response) => {
      response.writeHead(401).end(JSON.stringify({ error: { message: 'wrong key' } }));
    });
    await assert.rejects(evaluate(test, url), /Status 401: wrong key/);
    await assert.rejects(evaluate(test, await deserted()), /did not answer/);
  });
});

describe('a comparison', () => {
  it('compares two servers: answers, log-probabilities and decisions', async (test) => {
    const first = await listeningApp(test);
    const leaning = new FakeEngineClient((request) =>
      scriptedEvents(request, {
        decision: { mode: 'fast', pThink: 0.3 },
        reasoning: [],
        answer: ['For', 'ty-', 'three'],
      }),
    );
    const second = await listeningApp(test, { engine: leaning });
    const dir = scratchDir(test);
    const dataset = join(dir, 'q.jsonl');
    writeFileSync(dataset, '{"id":"a","question":"How many?","answer":"Forty-two"}\n');
    const cli = join(import.meta.dirname, '../../src/cli/main.js');
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...[cli, 'eval', dataset, '--compare', first.url, second.url],
      ...['--out', join(dir, 'out')],
    ]);
    assert.equal(leaning.lastRequest.topLogprobs, 20);
    assert.match(stdout, /flipped question/);
    const report = JSON.parse(readFileSync(join(dir, 'out', 'fidelity.json'), 'utf8'));
    const [found] = report.comparisons;
    assert.deepEqual(found.answers, { changed: 1, lost: 1, gained: 0, identical: 0 });
    assert.deepEqual(found.decisions.flipped, [{ id: 'a', reference: 0.75, other: 0.3 }]);
    assert.equal(found.logprobs.numPositions, 1);
    assert.match(readFileSync(join(dir, 'out', 'fidelity.html'), 'utf8'), /^<!doctype html>/);
  });
});

it('completes an address without a path and keeps a path', () => {
  assert.equal(apiBase('http://a:1'), 'http://a:1/v1');
  assert.equal(apiBase('http://a:1/'), 'http://a:1/v1');
  assert.equal(apiBase('https://a/openai/v1/'), 'https://a/openai/v1');
  for (const url of ['a:1', 'ftp://a', ''])
    assert.throws(() => apiBase(url), /not an http address/);
});
