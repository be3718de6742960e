import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { EngineUnavailableError } from '../../src/server/engines/engine-client.ts';
import { FakeEngineClient, scriptedEvents, untilAborted } from '../helpers/fake-engine-client.ts';
import { until } from '../helpers/listening-app.ts';
import { startShipped } from '../helpers/shipped-server.ts';
import { buildTestApp } from '../helpers/test-app.ts';

/** Runs the tests of the Python client; where there is no such client it says so, loudly, and passes. */
const LOCAL = '.venv/bin/python';
const python = process.env['PYTHON'] ?? (existsSync(LOCAL) ? LOCAL : 'python3');

if (spawnSync(python, ['-c', 'import openai']).status === 0) process.exitCode = await run();
else {
  const install = `python3 -m venv .venv && ${LOCAL} -m pip install -r test/python/requirements.txt`;
  console.error(`SKIPPED: ${python} has no package openai. To run these tests: ${install}`);
}

async function run(): Promise<number> {
  const engine = scriptedEngine();
  const { app } = await buildTestApp({ engine });
  const scripted = await app.listen({ host: '127.0.0.1', port: 0 });
  const shipped = await startShipped();
  try {
    const child = spawn(python, ['test/python/openai_client_test.py'], {
      stdio: 'inherit',
      env: { ...process.env, SHIPPED_URL: shipped.url, SCRIPTED_URL: scripted },
    });
    const [status] = await once(child, 'exit');
    await until(() => engine.numEnded === engine.requests.length, 'aborted requests to end');
    return status ?? 1;
  } finally {
    await Promise.all([app.close(), shipped.close()]);
  }
}

function scriptedEngine(): FakeEngineClient {
  let numRefused = 0;
  return new FakeEngineClient((request, signal) => {
    const prompt = String.fromCharCode(...request.promptTokenIds);
    if (prompt.includes('endless')) return untilAborted(request, signal);
    if (prompt.includes('busy') && numRefused < 2) {
      numRefused += 1;
      throw new EngineUnavailableError('queue_full', 0.01);
    }
    return scriptedEvents(request);
  });
}
