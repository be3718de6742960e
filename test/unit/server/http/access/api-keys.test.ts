import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { KeyRing, parseApiKeys } from '../../../../../src/server/http/access/api-keys.ts';

const SECRET = 'sk-0123456789abcdef';
const OTHER = 'sk-fedcba9876543210';

function parse(text: string) {
  return parseApiKeys(text, 'keys.txt');
}

test('a key is found by its value and has an id', () => {
  const ring = new KeyRing(parse(`# the teams\n\nteam-a:${SECRET}\r\n  team.b:${OTHER}  `));
  assert.equal(ring.find(SECRET)?.id, 'team-a');
  assert.equal(ring.find(OTHER)?.id, 'team.b');
  for (const wrong of ['', SECRET.slice(1), `${SECRET} `, 'team-a', `team-a:${SECRET}`]) {
    assert.equal(ring.find(wrong), null, wrong);
  }
});

test('the file may have the hash of a value', () => {
  const hash = createHash('sha256').update(SECRET).digest('hex');
  const ring = new KeyRing(parse(`team-a:sha256:${hash}`));
  assert.equal(ring.find(SECRET)?.id, 'team-a');
  assert.equal(ring.find(`sha256:${hash}`), null);
});

test('the value of a key is not kept', () => {
  const keys = parse(`team-a:${SECRET}`);
  assert.doesNotMatch(inspect(keys, { depth: 9 }), /0123456789abcdef/);
  assert.doesNotMatch(JSON.stringify(keys), /0123456789abcdef/);
});

test('settings come after the value', () => {
  const [first, second] = parse(
    `a:${SECRET} requests-per-minute=30 thinking-quota=none\nprometheus:${OTHER} scope=metrics`,
  );
  assert.deepEqual(first?.quotas, { requestsPerMinute: 30, thinkingTokens: null });
  assert.equal(first?.scope, 'api');
  assert.equal(second?.scope, 'metrics');
  assert.deepEqual(second?.quotas, {});
});

for (const [line, message] of [
  [SECRET, /line 1: a key is written id:value/],
  [`two words:${SECRET}`, /id:value/],
  [`${'x'.repeat(65)}:${SECRET}`, /at most 64/],
  ['a:tooshort', /key "a": the value has 8 characters; at least 16/],
  [`a:sha256:${'0'.repeat(63)}`, /64 hexadecimal digits/],
  [`a:${SECRET} scope=root`, /scope is api or metrics; got "root"/],
  [`a:${SECRET} requests-per-minute=0`, /from 1 to 999999999 or none; got "0"/],
  [`a:${SECRET} colour=red`, /settings are scope=/],
  [`a:${SECRET}\na:${OTHER}`, /"a" has the id "a", which is taken/],
  [`a:${SECRET}\nb:${SECRET}`, /"b" has the value of "a", which is taken/],
] as const) {
  test(`${JSON.stringify(line.slice(0, 50))} is rejected without showing the value`, () => {
    assert.throws(
      () => parse(line),
      ({ message: found }: Error) =>
        message.test(found) && found.startsWith('keys.txt') && !found.includes(SECRET),
    );
  });
}
