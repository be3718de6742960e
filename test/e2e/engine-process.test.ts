import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../../src/server.ts';
import { ask, post, readHeldout, requestBody, startShipped } from '../helpers/shipped-server.ts';

/** Process id of the engine: the server's only child that was forked with our entry. */
function enginePid(): number {
  const rows = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)]).toString();
  const row = rows.split('\n').find((line) => line.includes('engine-process'));
  assert.ok(row, 'the engine process is running');
  return Number.parseInt(row, 10);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await condition()) return;
    await sleep(50);
  }
  assert.fail('the condition did not come true within 30 seconds');
}

async function metric(server: RunningServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((row) => row.startsWith(`${name} `));
  assert.ok(line, `${name} is exported`);
  return Number(line.split(' ')[1]);
}

describe('The engine process', () => {
  let server: RunningServer;
  before(async () => {
    server = await startShipped();
  });
  after(() => server.close());

  it('stops working when the client closes the connection', async () => {
    const controller = new AbortController();
    const endless = {
      model: 'nano',
      messages: [{ role: 'user', content: 'What is 23 + 48?' }],
      stream: true,
      thinking_mode: 'fast',
      max_tokens: 1500,
      // The end-of-turn tokens are kept away, so that the answer goes on until it is stopped.
      logit_bias: Object.fromEntries((await eosIds()).map((id) => [id, -100])),
    };
    const response = await post(server, endless, controller.signal);
    const reader = response.body?.getReader();
    await reader?.read();
    // The first chunk may come with the request's mode alone, a step before it runs.
    await until(async () => (await metric(server, 'thinkgate_num_requests_running')) === 1);
    controller.abort();
    await until(async () => (await metric(server, 'thinkgate_num_requests_running')) === 0);
    const failures = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(failures, /request_failure_total\{code="client_closed_request"\} 1/);
  });

  it('ends its requests with an error when it is killed, is started again, and serves on', async () => {
    const [question] = await readHeldout();
    assert.ok(question);
    const body = await requestBody(question, { thinking_mode: 'fast' });
    const before = (await ask(server, body)).choices[0].message.content;
    process.kill(enginePid(), 'SIGKILL');
    await until(async () => (await fetch(`${server.url}/ready`)).status === 503);
    const refused = await post(server, body);
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    await refused.body?.cancel();
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
    await until(async () => (await fetch(`${server.url}/ready`)).status === 200);
    assert.equal((await ask(server, body)).choices[0].message.content, before);
    assert.equal(await metric(server, 'thinkgate_engine_restarts_total'), 1);
  });
});

async function eosIds(): Promise<number[]> {
  const { readPackage } = await import('../../src/model-package/read-package.ts');
  const { manifest } = await readPackage('models/nano');
  return manifest.tokens.eos;
}
