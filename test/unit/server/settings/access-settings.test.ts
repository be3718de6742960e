import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readAccess, readTls } from '../../../../src/server/settings/access-settings.ts';
import { parseFlags, setVariable } from '../../../helpers/parse-flags.ts';
import { scratchDir } from '../../../helpers/scratch-dir.ts';

const SECRET = 'sk-0123456789abcdef';

function access(...words: readonly string[]) {
  return readAccess(parseFlags(...words));
}

function tls(...words: readonly string[]) {
  return readTls(parseFlags(...words).http);
}

describe('The access settings', () => {
  it('allow a server without keys on loopback addresses, elsewhere only with --allow-anonymous', async () => {
    for (const host of ['127.0.0.1', '127.0.0.9', '::1', 'localhost']) {
      await access('--host', host);
    }
    for (const host of ['0.0.0.0', '::', '192.168.1.5', 'gpu.internal']) {
      await assert.rejects(
        access('--host', host),
        /--host .* no API keys.*--api-key-file or THINKGATE_API_KEY, or insist with --allow-anonymous/,
      );
      const { keys } = await access('--host', host, '--allow-anonymous');
      assert.equal(keys.isEmpty, true);
    }
  });

  it('take the keys of the file and of the environment together', async (context) => {
    const file = join(await scratchDir(context), 'keys.txt');
    await writeFile(file, `filed:${SECRET}1\n`);
    setVariable(
      context,
      'THINKGATE_API_KEY',
      `first:${SECRET}2,second:${SECRET}3 requests-per-minute=5`,
    );
    const { keys } = await access('--api-key-file', file, '--host', '0.0.0.0');
    assert.equal(keys.find(`${SECRET}1`)?.id, 'filed');
    assert.equal(keys.find(`${SECRET}2`)?.id, 'first');
    assert.deepEqual(keys.find(`${SECRET}3`)?.quotas, { requestsPerMinute: 5 });
  });

  it('number the keys of --api-key that are plain values', async () => {
    const hash = `sha256:${'0'.repeat(64)}`;
    const list = `${SECRET}1, named:${SECRET}2,${SECRET}3 thinking-quota=9,${hash}`;
    const { keys } = await access('--api-key', list);
    assert.equal(keys.find(`${SECRET}1`)?.id, 'key-1');
    assert.equal(keys.find(`${SECRET}2`)?.id, 'named');
    assert.equal(keys.find(`${SECRET}3`)?.id, 'key-3');
    assert.deepEqual(keys.find(`${SECRET}3`)?.quotas, { thinkingTokens: 9 });
    assert.equal(keys.find(hash), null);
  });

  it('reject a short key without printing it', async () => {
    await assert.rejects(access('--api-key', 'hunter2'), (error: Error) => {
      assert.match(error.message, /--api-key, line 1, key "key-1": the value has 7 characters/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  });

  it('reject a key file that is missing or empty', async (context) => {
    const file = join(await scratchDir(context), 'keys.txt');
    await assert.rejects(access('--api-key-file', file, '--host', '::1'), /cannot be read/);
    await writeFile(file, '# none yet\n');
    await assert.rejects(access('--api-key-file', file, '--host', '::1'), /holds no key/);
  });

  it('take the default quotas from their flags', async () => {
    const words = ['--requests-per-minute', '30', '--thinking-quota', '5000'];
    const { quotas } = await access(...words, '--thinking-quota-window', '3600');
    assert.deepEqual(quotas, {
      requestsPerMinute: 30,
      thinkingTokens: 5000,
      thinkingWindowSeconds: 3600,
    });
  });

  it('take a certificate and its key together', async () => {
    assert.equal(await tls(), null);
    await assert.rejects(tls('--ssl-certfile', 'a.pem'), /--ssl-certfile needs --ssl-keyfile/);
    await assert.rejects(tls('--ssl-keyfile', 'a.pem'), /--ssl-keyfile needs --ssl-certfile/);
  });
});
