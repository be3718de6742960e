import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { gathered } from '../../../../src/server/http/gathered.ts';

const AT_ONCE = { intervalMs: 0, burst: 0 };

async function all(source: AsyncIterable<string>): Promise<string[]> {
  const seen: string[] = [];
  for await (const text of source) seen.push(text);
  return seen;
}

describe('what comes together', () => {
  it('goes together, and what comes later by itself', async () => {
    const source = async function* (): AsyncGenerator<string> {
      yield* ['a', 'b', 'c'];
      await wait(2);
      yield* ['d', 'e'];
    };
    assert.deepEqual(await all(gathered(source(), AT_ONCE)), ['abc', 'de']);
  });

  it('is as much where the source ends late, or has nothing', async () => {
    const late = async function* (): AsyncGenerator<string> {
      yield 'a';
      await wait(2);
    };
    assert.deepEqual(await all(gathered(late(), AT_ONCE)), ['a']);
    const empty = async function* (): AsyncGenerator<string> {};
    assert.deepEqual(await all(gathered(empty(), AT_ONCE)), []);
  });

  it('is held until its time once the source has been fast for a while', async () => {
    const source = async function* (): AsyncGenerator<string> {
      for (const text of 'abcdefghijkl') {
        yield text;
        await turn();
        await turn();
      }
    };
    const texts = await all(gathered(source(), { intervalMs: 60_000, burst: 3 }));
    assert.deepEqual(texts, ['a', 'b', 'c', 'd', 'efghijkl']);
  });

  it('comes before the failure that follows it', async () => {
    const source = async function* (): AsyncGenerator<string> {
      yield* ['a', 'b'];
      throw new Error('broken');
    };
    const texts = gathered(source(), AT_ONCE);
    assert.equal((await texts.next()).value, 'ab');
    await assert.rejects(texts.next(), /broken/);
    assert.deepEqual(await texts.next(), { done: true, value: undefined });
  });
});

describe('A source that is gathered', () => {
  it('is asked for one text more than is taken', async () => {
    let asked = 0;
    const source = async function* (): AsyncGenerator<string> {
      for (;;) {
        yield String(++asked);
        await turn();
        await turn();
      }
    };
    const texts = gathered(source(), AT_ONCE);
    await texts.next();
    // In turns, not in time: on a busy machine a timer may be due before the source had its turns.
    for (let turns = 0; turns < 10; turns++) await turn();
    assert.equal(asked, 2);
    await texts.return();
  });

  it('is not read on where it never pauses and nobody takes what there is', async () => {
    let asked = 0;
    const source = async function* (): AsyncGenerator<string> {
      for (;;) {
        asked++;
        yield 'x'.repeat(1_000);
      }
    };
    const texts = gathered(source(), { intervalMs: 1_000, burst: 1 });
    await texts.next();
    await texts.next();
    await wait(5);
    assert.ok(asked <= 36, `asked ${asked} times`);
    await texts.return();
  });

  it('is ended where nobody reads on, though it has failed meanwhile', async () => {
    let ended = false;
    const source = async function* (): AsyncGenerator<string> {
      try {
        yield 'a';
        await turn();
        throw new Error('never seen');
      } finally {
        ended = true;
      }
    };
    const texts = gathered(source(), AT_ONCE);
    await texts.next();
    await texts.return();
    assert.ok(ended);
  });
});
