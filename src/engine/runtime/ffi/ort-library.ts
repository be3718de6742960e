import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { RuntimeError } from '../session.ts';

const LIBRARY_NAMES: Partial<Record<NodeJS.Platform, RegExp>> = {
  linux: /^libonnxruntime\.so\.1$/,
  darwin: /^libonnxruntime\.\d+\.\d+\.\d+\.dylib$/,
  win32: /^onnxruntime\.dll$/,
};

/**
 * Path of the ONNX Runtime library that the installed onnxruntime-node package ships for this platform.
 * @throws RuntimeError when the package has none
 */
export function findOrtLibrary(): string {
  const { platform, arch } = process;
  const folder = libraryFolder();
  const pattern = LIBRARY_NAMES[platform];
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const name = pattern === undefined ? undefined : names.find((entry) => pattern.test(entry));
  if (name === undefined) {
    throw new RuntimeError(`onnxruntime-node has no library for ${platform}-${arch} in ${folder}.`);
  }
  return join(folder, name);
}

/** Path where ONNX Runtime looks for its CUDA provider, which onnxruntime-node does not ship. */
export function cudaProviderPath(): string {
  const name =
    process.platform === 'win32'
      ? 'onnxruntime_providers_cuda.dll'
      : 'libonnxruntime_providers_cuda.so';
  return join(libraryFolder(), name);
}

function libraryFolder(): string {
  // The package's entry is <root>/dist/index.js; the package does not export its package.json.
  const root = dirname(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')));
  return join(root, 'bin', 'napi-v6', process.platform, process.arch);
}
