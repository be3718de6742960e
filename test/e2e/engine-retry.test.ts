import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RunningServer } from '../../src/server/main.ts';
import { killEngine, metric, ready, until } from '../helpers/engine-processes.ts';
import { ask, post, startShipped } from '../helpers/shipped-server.ts';

const PREFILLED = 'thinkgate_engine_prefilled_tokens_total{engine="0"}';
const RETRIED = 'thinkgate_requests_retried_total{engine="0"}';

/** A prompt of some 1,300 tokens, different from its first on, so that nothing of it is there from before. */
function longQuestion(name: string): Record<string, unknown> {
  const content = `${name}: ${'What is 23 + 48? '.repeat(150)}`;
  const messages = [{ role: 'user', content }];
  return { model: 'nano', messages, thinking_mode: 'fast', temperature: 0, max_tokens: 12 };
}

/** The text of a stream, and what it ends with. */
async function textOf(response: Response): Promise<{ text: string; tail: string }> {
  const body = await response.text();
  const chunks = body.split('\n\n').filter((event) => event.startsWith('data: {'));
  const parts = chunks.map((event) => JSON.parse(event.slice(6)) as Chunk);
  const text = parts.map(({ choices }) => choices?.[0]?.delta.content ?? '').join('');
  return { text, tail: body.slice(-400) };
}

interface Chunk {
  readonly choices?: readonly { readonly delta: { readonly content?: string } }[];
}

describe('A request whose engine is killed', () => {
  let server: RunningServer;
  before(async () => {
    // Few prompt tokens a step: a prompt takes long enough to be caught at it.
    server = await startShipped({ engine: { prefillChunk: 4, threads: 1 } });
  });
  after(() => server.close());

  /** Waits until a prompt is being processed, and kills the engine at it. */
  async function killDuringPrefill(): Promise<void> {
    const before = await metric(server, PREFILLED);
    await until(async () => (await metric(server, PREFILLED)) > before + 20);
    killEngine();
  }

  it('is answered when the engine dies during its prompt, streamed or not', async () => {
    const [one, two] = [longQuestion('one'), longQuestion('two')];
    const whole = ask(server, one);
    const streamed = post(server, { ...two, stream: true });
    await killDuringPrefill();
    const { content } = (await whole).choices[0].message;
    const { text, tail } = await textOf(await streamed);
    assert.ok(tail.endsWith('data: [DONE]\n\n'), tail);
    assert.equal((await ask(server, one)).choices[0].message.content, content);
    assert.equal((await ask(server, two)).choices[0].message.content, text);
    assert.equal(await metric(server, RETRIED), 2);
    assert.equal(await metric(server, 'thinkgate_engine_restarts_total{engine="0"}'), 1);
  });

  it('fails when a second engine dies with it: the request may be the cause', async () => {
    await until(() => ready(server));
    const before = await metric(server, RETRIED);
    const reply = post(server, longQuestion('three'));
    await killDuringPrefill();
    await killDuringPrefill();
    const response = await reply;
    assert.equal(response.status, 500);
    assert.match(await response.text(), /"code":"engine_error"/);
    assert.equal(await metric(server, RETRIED), before + 1);
  });

  it('fails within its stream when the engine dies after its first token', async () => {
    await until(() => ready(server));
    const before = await metric(server, RETRIED);
    const body = { model: 'nano', messages: [{ role: 'user', content: 'What is 23 + 48?' }] };
    const endless = { thinking_mode: 'fast', min_tokens: 1500, max_tokens: 1900, stream: true };
    const response = await post(server, { ...body, ...endless });
    killEngine();
    const { tail } = await textOf(response);
    assert.match(tail, /"code":"engine_error"/);
    assert.ok(!tail.includes('[DONE]'), tail);
    assert.equal(await metric(server, RETRIED), before);
  });
});
