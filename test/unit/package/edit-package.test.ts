import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { setJsonMember, writeProfiles } from '../../../src/package/edit-package.ts';
import { readPackage } from '../../../src/package/read-package.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';
import { SHIPPED_PACKAGE } from '../../helpers/shipped-server.ts';
import { TEST_PROFILE } from '../../helpers/test-app.ts';

describe('setting a member of a JSON text', () => {
  const value = fc.jsonValue();
  const object = fc.dictionary(fc.string(), value);
  const indent = fc.constantFrom(0, 2);

  it('gives the same value as JSON.stringify of the changed object', () => {
    fc.assert(
      fc.property(object, fc.string(), value, indent, (before, name, next, spaces) => {
        const after = setJsonMember(JSON.stringify(before, null, spaces), name, next);
        const expected = JSON.parse(JSON.stringify({ ...before, [name]: next }));
        assert.deepEqual(JSON.parse(after), expected);
      }),
    );
  });

  it('leaves every other byte alone', () => {
    const odd = '{ "a" : 1.0,\r\n\t"x": [1e3, {"p": "}"}] , "b": "\\u0041"}';
    assert.equal(
      setJsonMember(odd, 'p', 1),
      '{ "a" : 1.0,\r\n\t"x": [1e3, {"p": "}"}] , "b": "\\u0041",\n  "p": 1}',
    );
    assert.equal(setJsonMember(odd, 'x', 0), '{ "a" : 1.0,\r\n\t"x": 0 , "b": "\\u0041"}');
    assert.equal(setJsonMember('{"a":1}', 'b', [2]), '{"a":1,"b":[2]}');
    assert.equal(setJsonMember('{}', 'b', 2), '{"b":2}');
  });

  it('can be undone', () => {
    fc.assert(
      fc.property(object, value, value, (before, first, second) => {
        const text = setJsonMember(JSON.stringify(before, null, 2), 'added', first);
        assert.equal(setJsonMember(setJsonMember(text, 'added', second), 'added', first), text);
      }),
    );
  });
});

/** The shipped package's manifest over files of the right sizes. */
function packageCopy(test: TestContext): string {
  const dir = scratchDir(test);
  const { files } = JSON.parse(readFileSync(join(SHIPPED_PACKAGE, 'manifest.json'), 'utf8'));
  for (const { path } of files) {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    copyFileSync(join(SHIPPED_PACKAGE, path), join(dir, path));
  }
  copyFileSync(join(SHIPPED_PACKAGE, 'manifest.json'), join(dir, 'manifest.json'));
  return dir;
}

describe('writing profiles into a package', () => {
  it('adds and replaces them by name, and changes nothing else', async (test) => {
    const dir = packageCopy(test);
    const path = join(dir, 'manifest.json');
    const names = readdirSync(dir).sort();
    const before = readFileSync(path, 'utf8');
    await writeProfiles(dir, { economy: TEST_PROFILE });
    await writeProfiles(dir, { thorough: { ...TEST_PROFILE, threshold: 0.1 } });
    await writeProfiles(dir, { economy: { ...TEST_PROFILE, threshold: 0.9 } });
    const { manifest } = await readPackage(dir, { verify: true });
    assert.deepEqual(
      Object.entries(manifest.profiles ?? {})
        .map(([name, { threshold }]) => [name, threshold])
        .sort(),
      Object.entries(JSON.parse(before).profiles ?? {})
        .filter(([name]) => name !== 'economy' && name !== 'thorough')
        .map(([name, profile]) => [name, (profile as { threshold: number }).threshold])
        .concat([
          ['economy', 0.9],
          ['thorough', 0.1],
        ])
        .sort(),
    );
    const { profiles: _one, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
    const { profiles: _other, ...original } = JSON.parse(before);
    assert.deepEqual(rest, original);
    assert.deepEqual(readdirSync(dir).sort(), names);
  });

  it('rejects an invalid profile and leaves the package unchanged', async (test) => {
    const dir = packageCopy(test);
    const before = readFileSync(join(dir, 'manifest.json'), 'utf8');
    await assert.rejects(writeProfiles(dir, { 'Not A Name': TEST_PROFILE }));
    await assert.rejects(writeProfiles(dir, { economy: { ...TEST_PROFILE, threshold: 2 } }));
    assert.equal(readFileSync(join(dir, 'manifest.json'), 'utf8'), before);
    const empty = scratchDir(test);
    writeFileSync(join(empty, 'note.txt'), '');
    await assert.rejects(writeProfiles(empty, {}), /is not a model package/);
  });
});
