import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DataFile, type TensorGroup } from '../../../src/converter/weights/data-file.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

function group(label: string, sizes: number[], chunks: number[] = sizes): TensorGroup {
  const fill = label.charCodeAt(0);
  return {
    label,
    sizes,
    sourceBytes: 10,
    produce: () => chunks.map((size) => new Uint8Array(size).fill(fill)),
  };
}

describe('a data file', () => {
  it('starts large tensors on a page and small ones on a cache line', () => {
    const file = new DataFile('x.data');
    const small = file.add(group('a', [100, 5]));
    const large = file.add(group('b', [65_536, 70_000]));
    const last = file.add(group('c', [1]));
    const offsets = [...small, ...large, ...last].map(({ offset }) => offset);
    assert.deepEqual(offsets, [0, 128, 4096, 69_632, 139_648]);
    assert.equal(file.bytes, 139_649);
    assert.equal(file.sourceBytes, 30);
  });

  it('holds every tensor at its place, zeros between them, and knows its digest', async (test) => {
    const dir = scratchDir(test);
    const file = new DataFile('x.data');
    const [a1, a2] = file.add(group('a', [100, 5], [60, 40, 5]));
    const [b] = file.add(group('b', [65_536]));
    const shares: string[] = [];
    const digest = await file.write(dir, {
      onProgress: ({ label }, share) => shares.push(`${label} ${share.toFixed(2)}`),
    });
    const bytes = readFileSync(join(dir, 'x.data'));
    const expected = Buffer.alloc(file.bytes);
    for (const { offset, bytes: size } of [a1!, a2!]) expected.fill('a', offset, offset + size);
    expected.fill('b', b!.offset);
    assert.ok(bytes.equals(expected));
    assert.deepEqual(digest, {
      path: 'x.data',
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
    assert.deepEqual(shares, ['a 0.00', 'a 0.57', 'a 0.95', 'a 1.00', 'b 0.00', 'b 1.00']);
  });

  const faults: [string, number[], number[], RegExp][] = [
    ['too few bytes', [100], [99], /a produced fewer bytes/],
    ['too many bytes', [100], [101], /a produced more bytes/],
    ['one tensor instead of two', [100, 100], [100], /a produced fewer bytes/],
    ['a chunk across two tensors', [100, 100], [200], /a produced more bytes/],
    ['nothing', [100], [], /a produced fewer bytes/],
  ];
  for (const [what, sizes, chunks, message] of faults) {
    it(`rejects a group that produces ${what}`, async (test) => {
      const file = new DataFile('x.data');
      file.add(group('a', sizes, chunks));
      await assert.rejects(file.write(scratchDir(test), {}), message);
    });
  }
});
