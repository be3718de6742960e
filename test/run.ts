/**
 * Runs the tests, each under its own name:
 *
 *   npm test                          every lane; the protocol corpus and repetitions sampled
 *   npm test -- unit/server golden    some folders
 *   npm test -- --corpus whole        all cases and repetitions; a number is the seed of the sample
 *                                     (or THINKGATE_TEST_CORPUS=whole npm test)
 *   npm test -- --isolated            one process for each file
 *
 * To start Node and to load the project takes longer than most tests do, so the files of a lane share a few processes.
 * Files that measure their process, or count the processes it started, have one of their own. Two processes run at a
 * time: most tests keep one core busy.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { env } from 'node:process';
import { parseArgs } from 'node:util';

/** The compiled tests; this file lies beside the lanes. */
const ROOT = import.meta.dirname;
/** What is listed: a compiled file can outlive its source. */
const SOURCES = join(ROOT, '../../test');
/** How many processes the files of a lane share. Longest first: what starts last should be short. */
const LANES: Readonly<Record<string, number>> = {
  e2e: 4,
  synthetic: 3,
  golden: 1,
  contract: 2,
  unit: 4,
};
/** Files with a process of their own. */
const OWN_PROCESS = [
  'e2e/engines.test.js',
  'synthetic/engine/abort-storm.test.js',
  'synthetic/engine/runtime/backend.test.js',
  'synthetic/engine/runtime/kv-cache.test.js',
];
const GROUPS = join(ROOT, 'groups');

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    corpus: { type: 'string' },
    isolated: { type: 'boolean', default: false },
    concurrency: { type: 'string', default: '2' },
  },
});

/** Files of tests below a folder, as paths below the root. */
function filesIn(folder: string): string[] {
  const names = readdirSync(join(SOURCES, folder), { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => name.endsWith('.test.ts')).sort();
  if (files.length === 0) throw new Error(`There is no test in ${folder}.`);
  return files.map((name) => join(folder, name.replace(/ts$/, 'js')));
}

/** Writes modules that import the files of a lane each: their tests are its own. */
function writeGroups(lane: string, files: readonly string[]): string[] {
  const numGroups = Math.min(LANES[lane] ?? 1, files.length);
  return Array.from({ length: numGroups }, (_, at) => {
    const group = files.filter((_file, index) => index % numGroups === at);
    const imports = group.map((file) => `import '${relative(GROUPS, join(ROOT, file))}';\n`);
    const path = join(GROUPS, `${lane}-${at + 1}.test.js`);
    writeFileSync(path, imports.join(''));
    return path;
  });
}

/** @returns the modules to run: a lane's files with a process of their own, then its groups */
function modulesOf(lane: string, files: readonly string[]): string[] {
  const ofLane = files.filter((file) => file.startsWith(`${lane}/`));
  const isAlone = (file: string): boolean => flags.isolated || OWN_PROCESS.includes(file);
  const alone = ofLane.filter(isAlone).map((file) => join(ROOT, file));
  const shared = ofLane.filter((file) => !isAlone(file));
  return [...alone, ...writeGroups(lane, shared)];
}

const lanes = Object.keys(LANES);
const files = (positionals.length > 0 ? positionals : lanes).flatMap(filesIn);
rmSync(GROUPS, { recursive: true, force: true });
mkdirSync(GROUPS, { recursive: true });
const modules = lanes.flatMap((lane) => modulesOf(lane, files));
const corpus = flags.corpus ?? env['THINKGATE_TEST_CORPUS'] ?? String(Date.now() % 1_000_000);
if (corpus !== 'whole') {
  process.stderr.write(
    `The protocol corpus and repetitions are sampled; again with: npm test -- --corpus ${corpus}\n`,
  );
}
const child = spawn(
  process.execPath,
  [
    '--enable-source-maps',
    '--test',
    `--test-concurrency=${flags.concurrency}`,
    ...modules.map((path) => relative(process.cwd(), path)),
  ],
  { stdio: 'inherit', env: { ...env, THINKGATE_TEST_CORPUS: corpus } },
);
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
