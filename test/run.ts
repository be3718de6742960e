/**
 * Runs the tests, each under its own name:
 *
 *   npm test                          every lane, the protocol corpus sampled
 *   npm test -- unit/server golden    some folders
 *   npm test -- --corpus whole        the protocol corpus whole; a number is the seed of its sample
 *                                     (or THINKGATE_TEST_CORPUS=whole npm test)
 *   npm test -- --isolated            one process for each file
 *
 * To start Node and to load the project takes longer than most unit tests do, so the files of the lane `unit` run many
 * to a process. Two processes run at a time: most tests keep one core busy.
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
/** Longest first: what starts last should be short. */
const LANES = ['e2e', 'synthetic', 'golden', 'contract', 'unit'];
const SHARED = 'unit/';
const SHARED_PROCESSES = 4;
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

/** Writes one module for each group, which imports the group's files: their tests are its own. */
function writeGroups(files: readonly string[]): string[] {
  rmSync(GROUPS, { recursive: true, force: true });
  mkdirSync(GROUPS, { recursive: true });
  const groups = Array.from({ length: Math.min(SHARED_PROCESSES, files.length) }, (_, at) =>
    files.filter((_file, index) => index % SHARED_PROCESSES === at),
  );
  return groups.map((group, at) => {
    const imports = group.map((file) => `import '${relative(GROUPS, join(ROOT, file))}';\n`);
    const path = join(GROUPS, `unit-${at + 1}.test.js`);
    writeFileSync(path, imports.join(''));
    return path;
  });
}

const files = (positionals.length > 0 ? positionals : LANES).flatMap(filesIn);
const isShared = (file: string): boolean => !flags.isolated && file.startsWith(SHARED);
const own = files.filter((file) => !isShared(file)).map((file) => join(ROOT, file));
const groups = writeGroups(files.filter(isShared));
const corpus = flags.corpus ?? env['THINKGATE_TEST_CORPUS'] ?? String(Date.now() % 1_000_000);
if (corpus !== 'whole') {
  process.stderr.write(
    `The protocol corpus is sampled; again with: npm test -- --corpus ${corpus}\n`,
  );
}
const child = spawn(
  process.execPath,
  [
    '--enable-source-maps',
    '--test',
    `--test-concurrency=${flags.concurrency}`,
    ...[...own, ...groups].map((path) => relative(process.cwd(), path)),
  ],
  { stdio: 'inherit', env: { ...env, THINKGATE_TEST_CORPUS: corpus } },
);
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
