import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Command } from 'commander';
import { readTls, toAccess } from '../../../src/cli/access-flags.ts';
import { addServeOptions, parseServeOptions } from '../../../src/cli/serve-options.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

const SECRET = 'sk-0123456789abcdef';

function flags(words: readonly string[]) {
  const command = addServeOptions(new Command()).exitOverride();
  return parseServeOptions(command.parse([...words], { from: 'user' }).opts());
}

function withKeys(context: TestContext, keys: string): void {
  process.env['THINKGATE_API_KEYS'] = keys;
  context.after(() => delete process.env['THINKGATE_API_KEYS']);
}

describe('who may use a server', () => {
  it('is this machine alone unless there are keys or the operator insists', async () => {
    for (const host of ['127.0.0.1', '127.0.0.9', '::1', 'localhost']) {
      await toAccess(flags([]), { host });
    }
    for (const host of ['0.0.0.0', '::', '192.168.1.5', 'gpu.internal']) {
      await assert.rejects(
        toAccess(flags([]), { host }),
        /--host .* no API keys.*--api-key-file or THINKGATE_API_KEYS, or insist with --allow-anonymous/,
      );
      const { keys } = await toAccess(flags(['--allow-anonymous']), { host });
      assert.equal(keys.isEmpty, true);
    }
  });

  it('are the keys of a file and of the environment together', async (context) => {
    const file = join(await scratchDir(context), 'keys.txt');
    await writeFile(file, `filed:${SECRET}1\n`);
    withKeys(context, `first:${SECRET}2,second:${SECRET}3 requests-per-minute=5`);
    const { keys } = await toAccess(flags(['--api-key-file', file]), { host: '0.0.0.0' });
    assert.equal(keys.find(`${SECRET}1`)?.id, 'filed');
    assert.equal(keys.find(`${SECRET}2`)?.id, 'first');
    assert.deepEqual(keys.find(`${SECRET}3`)?.quotas, { requestsPerMinute: 5 });
  });

  it('is nobody by an empty or a missing file', async (context) => {
    const file = join(await scratchDir(context), 'keys.txt');
    await assert.rejects(
      toAccess(flags(['--api-key-file', file]), { host: '::1' }),
      /cannot be read/,
    );
    await writeFile(file, '# none yet\n');
    await assert.rejects(
      toAccess(flags(['--api-key-file', file]), { host: '::1' }),
      /holds no key/,
    );
  });
});

describe('flags of access', () => {
  it('set the default quotas', async () => {
    const words = ['--requests-per-minute', '30', '--thinking-quota', '5000'];
    const { quotas } = await toAccess(flags([...words, '--thinking-quota-window', '3600']), {
      host: '::1',
    });
    assert.deepEqual(quotas, {
      requestsPerMinute: 30,
      thinkingTokens: 5000,
      thinkingWindowSeconds: 3600,
    });
  });

  it('take origins, not URLs', () => {
    const list = 'https://a.example, http://localhost:3000';
    assert.deepEqual(flags(['--cors-origins', list]).corsOrigins, [
      'https://a.example',
      'http://localhost:3000',
    ]);
    assert.throws(() => flags(['--cors-origins', '*']), /--cors-origins \*: must be origins/);
    assert.throws(() => flags(['--cors-origins', 'https://a.example/app']), /must be origins/);
  });

  it('take a certificate and its key together', async () => {
    assert.equal(await readTls(flags([])), null);
    await assert.rejects(readTls(flags(['--tls-cert', 'a.pem'])), /--tls-cert needs --tls-key/);
    await assert.rejects(readTls(flags(['--tls-key', 'a.pem'])), /--tls-key needs --tls-cert/);
  });
});
