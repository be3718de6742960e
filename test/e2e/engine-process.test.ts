import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RunningServer } from '../../src/server/main.ts';
import { killEngine, metric, ready, until } from '../helpers/engine-processes.ts';
import { ask, post, readHeldout, requestBody, startShipped } from '../helpers/shipped-server.ts';

describe('The engine process', () => {
  let server: RunningServer;
  before(async () => {
    server = await startShipped();
  });
  after(() => server.close());

  it('stops working when its clients close their connections', async () => {
    const endless = {
      model: 'nano',
      messages: [{ role: 'user', content: 'What is 23 + 48?' }],
      stream: true,
      thinking_mode: 'fast',
      max_tokens: 1900,
      // The end-of-turn tokens are kept away, so that the answer goes on until it is stopped.
      logit_bias: Object.fromEntries((await eosIds()).map((id) => [id, -100])),
    };
    // More than run at once: some are closed while they decode, some while they wait.
    const controllers = Array.from({ length: 12 }, () => new AbortController());
    const requests = controllers.map(({ signal }) => post(server, endless, signal));
    const first = await Promise.race(requests);
    await first.body?.getReader().read();
    for (const controller of controllers) controller.abort();
    await Promise.allSettled(requests);
    await until(
      async () => (await metric(server, 'thinkgate_num_requests_running{engine="0"}')) === 0,
    );
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /request_failure_total\{code="client_closed_request"\} 12/);
    assert.doesNotMatch(metrics, /request_success_total\{.*\} [1-9]/);
    assert.equal(await metric(server, 'thinkgate_num_requests_waiting{engine="0"}'), 0);
  });

  it('ends its requests with an error when it is killed, is started again, and serves on', async () => {
    const [question] = await readHeldout();
    assert.ok(question);
    const body = await requestBody(question, { thinking_mode: 'fast' });
    const before = (await ask(server, body)).choices[0].message.content;
    const steps = 'thinkgate_engine_steps_total{engine="0"}';
    const stepsBefore = await metric(server, steps);
    killEngine();
    await until(async () => !(await ready(server)));
    const refused = await post(server, body);
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    await refused.body?.cancel();
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
    await until(() => ready(server));
    assert.equal((await ask(server, body)).choices[0].message.content, before);
    assert.ok((await metric(server, steps)) > stepsBefore, 'what was counted is not lost');
    assert.equal(await metric(server, 'thinkgate_engine_restarts_total{engine="0"}'), 1);
  });
});

async function eosIds(): Promise<number[]> {
  const { readPackage } = await import('../../src/package/read-package.ts');
  const { manifest } = await readPackage('models/nano');
  return manifest.tokens.eos;
}
