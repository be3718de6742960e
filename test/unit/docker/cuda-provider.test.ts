import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { NugetStandIn } from '../../helpers/nuget-stand-in.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

const run = promisify(execFile);
const BINARIES = 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64';
const PROVIDERS = ['cuda', 'shared', 'tensorrt'].map(
  (name) => `libonnxruntime_providers_${name}.so`,
);
const { version: VERSION }: { version: string } = JSON.parse(
  readFileSync('node_modules/onnxruntime-node/package.json', 'utf8'),
);

/** Runs a command in a folder with a fresh onnxruntime-node, against a NuGet feed of the test. */
async function inFreshInstall(
  context: TestContext,
  { command, cwd }: { command: string; cwd: string },
): Promise<{ present: string[]; requests: readonly string[] }> {
  const root = scratchDir(context);
  const modules = path.join(root, 'node_modules');
  mkdirSync(path.join(root, BINARIES), { recursive: true });
  cpSync('node_modules/onnxruntime-node/script', path.join(modules, 'onnxruntime-node/script'), {
    recursive: true,
  });
  for (const name of ['adm-zip', 'global-agent'])
    symlinkSync(path.resolve('node_modules', name), path.join(modules, name));
  const feed = new NugetStandIn({
    name: 'Microsoft.ML.OnnxRuntime.Gpu.Linux',
    version: VERSION,
    files: Object.fromEntries(
      PROVIDERS.map((file) => [`runtimes/linux-x64/native/${file}`, Buffer.from(file)]),
    ),
  });
  context.after(() => feed.close());
  const proxy = await feed.listen();
  const certificate = path.join(root, 'feed.pem');
  await writeFile(certificate, feed.certificate.cert);
  await run('sh', ['-c', command], {
    cwd: path.join(root, cwd),
    env: {
      PATH: process.env['PATH'],
      GLOBAL_AGENT_HTTPS_PROXY: proxy,
      NODE_EXTRA_CA_CERTS: certificate,
    },
  });
  return { present: readdirSync(path.join(root, BINARIES)), requests: feed.requests };
}

const skip =
  process.platform === 'linux' && process.arch === 'x64'
    ? false
    : 'onnxruntime-node has no CUDA provider for this platform, so its installer is NOT tested';

describe('The installer of the CUDA provider', { skip }, () => {
  it('installs its libraries where ONNX Runtime looks', async (context) => {
    const { present, requests } = await inFreshInstall(context, {
      command: 'node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install',
      cwd: '.',
    });
    assert.deepEqual(present, PROVIDERS);
    assert.ok(requests.some((url) => url.endsWith(`${VERSION}.nupkg`)));
  });

  it('installs them in the image without TensorRT', async (context) => {
    const dockerfile = readFileSync('docker/Dockerfile', 'utf8');
    const [, command = ''] = dockerfile.match(/^RUN (node .*install\.js[^\n]*\\\n.*)$/m) ?? [];
    const [, cwd = ''] = dockerfile.match(/^WORKDIR \/app\/(\S+napi-v6)$/m) ?? [];
    const { present } = await inFreshInstall(context, { command, cwd });
    assert.deepEqual(present, PROVIDERS.slice(0, 2));
  });
});
