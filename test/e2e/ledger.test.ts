import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { scratchDir } from '../helpers/scratch-dir.ts';
import { ServerProcess } from '../helpers/server-process.ts';
import { readHeldout, requestBody } from '../helpers/shipped-server.ts';

const NUM_CLIENTS = 6;
const ANSWERS_BEFORE_THE_END = 40;

describe('The ledger of a real server', () => {
  test('has every request that was answered, whatever becomes of the process', async (t) => {
    const folder = scratchDir(t);
    // Small files, so that it dies amid changes from one to the next as well.
    const flags = ['--ledger', folder, '--ledger-file-mb', '0.005', '--ledger-files', '1000'];
    const server = await ServerProcess.start([...flags, '--log-level', 'silent']);
    t.after(() => server.stop());
    const [question] = await readHeldout();
    assert.ok(question);
    const ask = await requestBody(question, { max_tokens: 24 });
    const answered: string[] = [];
    const client = async (index: number): Promise<void> => {
      for (let count = 0; server.isRunning; count++) {
        const id = `client-${index}-${count}`;
        const isAnswered = await post(server.url, id, { ...ask, stream: index % 2 === 0 });
        if (!isAnswered) return;
        answered.push(id);
        if (answered.length >= ANSWERS_BEFORE_THE_END) server.signal('SIGKILL');
      }
    };
    await Promise.all(Array.from({ length: NUM_CLIENTS }, (_, index) => client(index)));
    await server.exitCode();
    const kept = new Set(recordsOf(folder).map(({ request_id }) => request_id));
    assert.ok(answered.length >= ANSWERS_BEFORE_THE_END);
    assert.deepEqual(
      answered.filter((id) => !kept.has(id)),
      [],
    );
    assert.ok(readdirSync(folder).length > 1);
  });

  test('never holds what was asked or answered', async (t) => {
    const folder = scratchDir(t);
    const server = await ServerProcess.start(['--ledger', folder, '--log-level', 'silent']);
    t.after(() => server.stop());
    const content = 'Is there a zebra-crossing?';
    await post(server.url, 'secret', {
      model: 'nano',
      messages: [{ role: 'user', content }],
      max_tokens: 24,
    });
    const [record] = recordsOf(folder);
    assert.equal(record?.request_id, 'secret');
    assert.doesNotMatch(JSON.stringify(record), /zebra/);
  });
});

/** @returns whether the whole reply came */
async function post(url: string, id: string, body: object): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': id },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return response.ok && text !== '';
  } catch {
    return false;
  }
}

function recordsOf(folder: string): { request_id: string }[] {
  return readdirSync(folder).flatMap((name) =>
    readFileSync(path.join(folder, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { request_id: string }),
  );
}
