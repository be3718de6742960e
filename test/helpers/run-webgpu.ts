/**
 * Runs the suites of runtime and engine, and the shipped model, on WebGPU: `npm run test:webgpu`. VK_ICD_FILENAMES names
 * the Vulkan driver. The default is SwiftShader, a software driver that Debian's chromium-common contains.
 *
 * `--short` omits the slowest suites, the comparisons with PyTorch.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const SUITES = [
  'dist/test/synthetic/engine/runtime/model-runner.test.js',
  'dist/test/synthetic/engine/runtime/converted-package.test.js',
  'dist/test/synthetic/engine/prefix-reuse.test.js',
  'dist/test/webgpu',
];
const LONG_SUITES = ['dist/test/golden/numerics.test.js', 'dist/test/golden/prefix-reuse.test.js'];

const driver = process.env['VK_ICD_FILENAMES'] ?? SWIFTSHADER;
if (existsSync(driver)) {
  const suites = process.argv.includes('--short') ? SUITES : [...SUITES, ...LONG_SUITES];
  const { status } = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...suites], {
    stdio: 'inherit',
    env: {
      ...process.env,
      THINKGATE_TEST_DEVICE: 'webgpu',
      VK_ICD_FILENAMES: driver,
      // Chromium's folder contains the Vulkan loader too.
      LD_LIBRARY_PATH: `${process.env['LD_LIBRARY_PATH'] ?? ''}:${dirname(driver)}`,
      // Dawn looks for a window system and logs an error without this variable.
      XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(),
    },
  });
  process.exitCode = status ?? 1;
} else {
  console.error(
    `!!! ${driver} is missing (Debian: chromium-common): the engine is NOT tested on WebGPU`,
  );
}
