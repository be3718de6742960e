import assert from 'node:assert/strict';
import { describe, it, mock, type TestContext } from 'node:test';
import { ApiError } from '../../../../src/server/http/errors.ts';
import {
  EventStreamBody,
  type EventStreamInput,
  type EventWriter,
} from '../../../../src/server/http/event-stream.ts';
import type { ReplyEvent } from '../../../../src/server/reply/reply-events.ts';
import { requestOf } from '../../../helpers/engine-bench.ts';
import { tokenEvent } from '../../../helpers/fake-engine-client.ts';

const REQUEST = requestOf([1]);

/** Writes the text of each event, and single characters for all else. */
const WRITER: EventWriter = {
  ping: '~',
  write: (event) =>
    event.type === 'delta' ? event.token.pieces.map(({ text }) => text).join('') : '',
  end: () => '.',
  fail: ({ message }) => `!${message}`,
};

function eventOf(text: string): ReplyEvent {
  return { type: 'delta', choice: 0, parts: [], token: tokenEvent(text, 'answer', REQUEST) };
}

/** A source that gives what the test tells it to, when the test tells it to. */
class Source {
  numAsked = 0;
  isEnded = false;
  readonly #arrived: (string | Error | null)[] = [];
  #wake = (): void => {};

  /** @param item text of an event, a failure, or null for the end */
  give(...items: readonly (string | Error | null)[]): void {
    this.#arrived.push(...items);
    this.#wake();
  }

  async *events(): AsyncGenerator<ReplyEvent, void, undefined> {
    try {
      for (;;) {
        this.numAsked += 1;
        while (this.#arrived.length === 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        const item = this.#arrived.shift();
        if (item instanceof Error) throw item;
        if (item === null || item === undefined) return;
        yield eventOf(item);
      }
    } finally {
      this.isEnded = true;
    }
  }
}

interface Body {
  readonly source: Source;
  readonly body: EventStreamBody;
  readonly texts: string[];
  readonly calls: string[];
  /** Lets promises settle, moves the clock on and runs the timers that are due. */
  pass(ms: number): Promise<void>;
}

/** Lets everything happen that needs no timer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  await new Promise<void>((resolve) => process.nextTick(resolve));
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

function bodyOf(
  context: TestContext,
  { reads = true, ...input }: Partial<EventStreamInput> & { readonly reads?: boolean } = {},
): Body {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate'] });
  context.after(() => mock.timers.reset());
  const source = new Source();
  const events = source.events();
  const calls: string[] = [];
  let nowMs = 0;
  const body = new EventStreamBody({
    first: events.next(),
    events,
    writer: WRITER,
    beginsWithPing: false,
    pingIntervalMs: 10_000,
    onEnd: () => calls.push('end'),
    onFailure: (error) => {
      calls.push('failure');
      return error instanceof ApiError ? error : null;
    },
    onClose: () => calls.push('close'),
    now: () => nowMs,
    ...input,
  });
  const texts: string[] = [];
  if (reads) body.on('data', (text) => texts.push(text));
  return {
    source,
    body,
    texts,
    calls,
    pass: async (ms) => {
      await settle();
      nowMs += ms;
      mock.timers.tick(ms);
      await settle();
    },
  };
}

describe('The body of an event stream', () => {
  it('writes events of one turn together and later events on their own', async (context) => {
    const { source, texts, pass } = bodyOf(context);
    source.give('a', 'b', 'c');
    await pass(0);
    assert.deepEqual(texts, ['abc']);
    await pass(100);
    source.give('d', 'e');
    await pass(0);
    assert.deepEqual(texts, ['abc', 'de']);
  });

  it('writes the end with what is before it', async (context) => {
    const { source, texts, calls, pass } = bodyOf(context);
    source.give('a', null);
    await pass(0);
    assert.deepEqual(texts, ['a.']);
    assert.deepEqual(calls, ['end', 'close']);
  });

  it('writes the first texts at once, and then one text per interval', async (context) => {
    const { source, texts, pass } = bodyOf(context);
    for (const text of 'abcdefgh') {
      source.give(text);
      await pass(0);
    }
    assert.deepEqual(texts, ['a', 'b', 'c', 'd', 'e']);
    await pass(4);
    assert.equal(texts.length, 5);
    await pass(1);
    assert.deepEqual(texts.slice(5), ['fgh']);
  });

  it('writes a failure after the texts before it, and ends', async (context) => {
    const { source, texts, calls, pass } = bodyOf(context);
    source.give('a', 'b', new ApiError('engine_error', 'broken'));
    await pass(0);
    assert.deepEqual(texts, ['ab!broken']);
    assert.deepEqual(calls, ['failure', 'close']);
  });

  it('ends without text when the events fail because the client disconnected', async (context) => {
    const { source, texts, calls, pass } = bodyOf(context);
    source.give(new Error('aborted'));
    await pass(0);
    assert.deepEqual(texts, []);
    assert.deepEqual(calls, ['failure', 'close']);
  });
});

describe('A silence', () => {
  it('becomes pings, and the event after it is not lost', async (context) => {
    const { source, texts, pass } = bodyOf(context, { pingIntervalMs: 1_000 });
    for (let ping = 0; ping < 2; ping += 1) {
      await pass(1_000);
      await pass(0);
    }
    assert.deepEqual(texts, ['~', '~']);
    source.give('a');
    await pass(0);
    assert.deepEqual(texts, ['~', '~', 'a']);
  });

  it('begins at the last write', async (context) => {
    const { source, texts, pass } = bodyOf(context, { pingIntervalMs: 1_000 });
    for (const text of 'abc') {
      await pass(600);
      source.give(text);
      await pass(0);
    }
    assert.deepEqual(texts, ['a', 'b', 'c']);
  });

  it('before the headers is broken by the first text', async (context) => {
    const { source, texts, pass } = bodyOf(context, { beginsWithPing: true });
    source.give('a', null);
    await pass(0);
    assert.deepEqual(texts.join(''), '~a.');
  });

  it('is broken while events come that have no text', async (context) => {
    const { source, texts, pass } = bodyOf(context, { pingIntervalMs: 1_000 });
    for (let event = 0; event < 8; event += 1) {
      source.give('');
      await pass(250);
      await pass(0);
    }
    assert.deepEqual(texts, ['~', '~']);
  });
});

describe('A consumer that takes nothing', () => {
  it('stops the reading of events', async (context) => {
    const { source, body, pass } = bodyOf(context, { reads: false });
    body.read(0);
    for (let event = 0; event < 10; event += 1) {
      source.give('a');
      await pass(100);
    }
    assert.ok(source.numAsked <= 3, `asked for ${source.numAsked} events`);
    body.on('data', () => undefined);
    await pass(0);
    await pass(100);
    assert.equal(source.numAsked, 11);
  });

  it('stops the reading of events that never pause', async (context) => {
    const { source, body, pass } = bodyOf(context, { reads: false });
    body.read(0);
    source.give(...Array.from({ length: 100 }, () => 'x'.repeat(1_000)));
    await pass(0);
    assert.ok(source.numAsked <= 36, `asked for ${source.numAsked} events`);
  });

  it('gets no pings that pile up', async (context) => {
    const { body, pass } = bodyOf(context, { reads: false, pingIntervalMs: 1_000 });
    body.read(0);
    for (let ping = 0; ping < 5; ping += 1) await pass(1_000);
    const texts: string[] = [];
    body.on('data', (text) => texts.push(text));
    await pass(0);
    assert.deepEqual(texts, ['~']);
  });
});

describe('A body that is destroyed', () => {
  it('ends the events', async (context) => {
    const { source, body, calls, pass } = bodyOf(context);
    source.give('a');
    await pass(0);
    body.destroy();
    source.give(null);
    await pass(0);
    assert.ok(source.isEnded);
    assert.deepEqual(calls.at(-1), 'close');
  });

  it('ends the events though nothing of it was read', async (context) => {
    const { source, body, calls, pass } = bodyOf(context, { reads: false });
    source.give('a');
    await pass(0);
    body.destroy();
    await pass(0);
    assert.ok(source.isEnded);
    assert.deepEqual(calls, ['close']);
  });

  it('ignores a failure of the events that follows', async (context) => {
    const { source, body, texts, pass } = bodyOf(context);
    source.give('a');
    await pass(0);
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', listen);
    body.destroy();
    source.give(new Error('too late'));
    await pass(0);
    process.off('unhandledRejection', listen);
    assert.deepEqual(unhandled, []);
    assert.deepEqual(texts, ['a']);
  });
});
