import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeRandomCheckpoint } from '../helpers/random-checkpoint.ts';
import { scratchDir } from '../helpers/scratch-dir.ts';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

function thinkgate(...args: string[]) {
  return spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
}

describe('thinkgate convert and inspect', () => {
  it('write a package with its report and print its contents', (test) => {
    const dir = scratchDir(test);
    const checkpoint = writeRandomCheckpoint(join(dir, 'in'), {
      vision: {},
      text: { maxPositions: 2048 },
    });
    const out = join(dir, 'mini');
    const converted = thinkgate(
      ...[
        'convert',
        checkpoint.dir,
        '--out',
        out,
        '--precision',
        'int8',
        '--prefill',
        'int8',
        '--report',
      ],
    );
    assert.equal(converted.status, 0, converted.stderr);
    assert.match(converted.stderr, /100 %/);
    assert.match(converted.stdout, /note: The vision tower has 2 layers/);
    assert.match(converted.stdout, /wrote .*mini: mini, int8, thinking as R-4B, [\d.]+ kB/);
    assert.match(converted.stdout, /Error of int8 weights, on a sample of 96 tokens/);
    assert.match(converted.stdout, /at the end of 20 prompts, 6 with an image/);
    const report = JSON.parse(readFileSync(`${out}.report.json`, 'utf8'));
    assert.equal(report.layers.length, 2);
    assert.match(
      converted.stdout,
      /Error of the prefill graph \(int8 linears\), on a sample of 96 tokens/,
    );
    assert.equal(report.prefill.layers.length, 2);
    assert.equal(report.float16.prompts.length, 20);
    assert.ok(!existsSync(join(out, 'report.json')));

    const inspected = thinkgate('inspect', out, '--verify');
    assert.equal(inspected.status, 0, inspected.stderr);
    assert.match(inspected.stdout, /^precision +int8$/m);
    assert.match(inspected.stdout, /^prefill +a prefill graph with int8 linears$/m);
    assert.match(
      inspected.stdout,
      /^graphs +float32 for CPUs, float16 for GPUs \(residual stream: float32\)$/m,
    );
    assert.match(inspected.stdout, /every file matches its sha256/);
  });

  const mistakes: [string, string[], RegExp][] = [
    [
      'a folder that is no checkpoint',
      ['convert', '.', '--out', 'x'],
      /config\.json (does not exist|cannot be used)/,
    ],
    ['a folder that is no package', ['inspect', 'src'], /src is not a model package/],
    [
      'an unknown precision',
      ['convert', '.', '--out', 'x', '--precision', 'fp8'],
      /fp32, fp16, int8, int4/,
    ],
    [
      'questions without a report',
      ['convert', '.', '--out', 'x', '--questions', 'p.jsonl'],
      /--questions are for the --report/,
    ],
    [
      'questions for a package without graphs for GPUs',
      ['convert', '.', '--out', 'x', '--report', '--no-gpu', '--questions', 'p.jsonl'],
      /for which this package would have no graphs/,
    ],
  ];
  for (const [what, args, message] of mistakes) {
    it(`answer ${what} with one line and exit code 1`, () => {
      const { status, stderr } = thinkgate(...args);
      assert.equal(status, 1);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /^\s+at /m);
    });
  }
});
