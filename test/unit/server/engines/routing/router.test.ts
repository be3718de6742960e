import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type EngineLoad,
  type Route,
  type RoutedRequest,
  Router,
} from '../../../../../src/server/engines/routing/router.ts';

const NUM_SLOTS = 4;
const IDLE: EngineLoad = { isReady: true, load: 0 };
const DOWN: EngineLoad = { isReady: false, load: 0 };

function newRouter(numEngines = 2, numPrompts = NUM_SLOTS): Router {
  return new Router({ numEngines, numSlots: NUM_SLOTS, numPrompts, imageTokens: 100 });
}

let numGroups = 0;

/** A text of its own, by its name; prompts of the same name begin alike. */
function textOf(name: string, length = 64): number[] {
  return Array.from({ length }, (_, at) => name.charCodeAt(at % name.length) * 1_000 + at);
}

function promptOf(...parts: readonly (readonly number[])[]): RoutedRequest {
  numGroups += 1;
  return { tokenIds: parts.flat(), images: [], group: `group ${numGroups}` };
}

function engineOf(route: Route | null): number {
  assert.ok(route);
  return route.engine;
}

describe('The router', () => {
  it('sends a conversation to the engine of its earlier turns, and other conversations elsewhere', () => {
    const router = newRouter();
    const [one, other] = ['one', 'two'].map((name) => textOf(name));
    const first = engineOf(router.route(promptOf(one!), [IDLE, IDLE]));
    const second = engineOf(router.route(promptOf(other!), [IDLE, IDLE]));
    assert.notEqual(first, second);
    const turn = textOf('more', 32);
    assert.equal(engineOf(router.route(promptOf(other!, turn), [IDLE, IDLE])), second);
    const again = router.route(promptOf(one!, turn), [IDLE, IDLE]);
    assert.deepEqual(again, { engine: first, by: 'prefix' });
  });

  it('sends a known image to the engine that has its features, whatever the text', () => {
    const router = newRouter();
    const shown = (name: string, hash: string): RoutedRequest => ({
      ...promptOf(textOf(name, 32), new Array<number>(60).fill(9)),
      images: [{ hash, start: 32, numTokens: 60 }],
    });
    const first = engineOf(router.route(shown('a', 'cat'), [IDLE, IDLE]));
    engineOf(router.route(shown('b', 'dog'), [IDLE, IDLE]));
    assert.equal(engineOf(router.route(shown('c', 'cat'), [IDLE, IDLE])), first);
  });

  it('forgets the cache of an engine that was restarted', () => {
    const router = newRouter();
    const text = textOf('one');
    const first = engineOf(router.route(promptOf(text), [IDLE, IDLE]));
    router.forget(first);
    assert.equal(engineOf(router.route(promptOf(text), [IDLE, IDLE])), 1 - first);
  });

  it('forgets prompts that no longer fit into the slots of an engine', () => {
    const router = newRouter(1, 2);
    const known = (text: readonly number[]): boolean =>
      router.route(promptOf(text), [IDLE])?.by === 'prefix';
    const [one, two, three] = ['one', 'two', 'three'].map((name) => textOf(name));
    assert.ok(!known(one!));
    assert.ok(!known(two!));
    assert.ok(known(one!), 'used again');
    assert.ok(!known(three!));
    assert.ok(known(one!));
    assert.ok(!known(two!), 'the oldest had to go');
  });

  it('replaces a prompt with the prompt that continues it', () => {
    const router = newRouter(1, 2);
    const text = textOf('one', 320);
    router.route(promptOf(textOf('other')), [IDLE]);
    for (let length = 32; length <= 320; length += 32) {
      router.route(promptOf(text.slice(0, length)), [IDLE]);
    }
    assert.equal(router.route(promptOf(textOf('other')), [IDLE])?.by, 'prefix');
  });

  it('ignores prefixes when engines keep none', () => {
    const router = newRouter(2, 0);
    const text = textOf('one');
    assert.equal(router.route(promptOf(text), [IDLE, IDLE])?.by, 'load');
    assert.equal(router.route(promptOf(text), [IDLE, IDLE])?.by, 'load');
  });

  it('keeps a group on one engine, however busy, while that engine is ready', () => {
    const router = newRouter();
    const choice = promptOf(textOf('one'));
    const first = engineOf(router.route(choice, [IDLE, IDLE]));
    const busy = [IDLE, IDLE].map((engine, index) =>
      index === first ? { ...engine, load: 50 } : engine,
    );
    const other = { ...promptOf(textOf('another')), group: choice.group };
    assert.deepEqual(router.route(other, busy), { engine: first, by: 'group' });
    const without = [IDLE, IDLE].map((engine, index) => (index === first ? DOWN : engine));
    assert.equal(engineOf(router.route(other, without)), 1 - first);
    assert.equal(engineOf(router.route(other, [IDLE, IDLE])), 1 - first, 'it stays there');
  });

  it('chooses only ready engines, and none when no engine is ready', () => {
    const engines = fc.array(fc.record({ isReady: fc.boolean(), load: fc.nat(9) }), {
      minLength: 3,
      maxLength: 3,
    });
    const requests = fc.array(
      fc.record({
        text: fc.constantFrom('a', 'b', 'c'),
        group: fc.constantFrom('g', 'h'),
        engines,
      }),
    );
    fc.assert(
      fc.property(requests, (sequence) => {
        const router = newRouter(3);
        for (const { text, group, engines: loads } of sequence) {
          const route = router.route({ ...promptOf(textOf(text)), group }, loads);
          if (route === null) assert.ok(loads.every(({ isReady }) => !isReady));
          else assert.ok(loads[route.engine]?.isReady);
        }
      }),
    );
  });

  it('spreads requests with a common beginning as evenly as others', () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 24, maxLength: 24 });
    fc.assert(
      fc.property(names, (texts) => {
        const router = newRouter(3);
        const loads = [0, 0, 0];
        for (const text of texts) {
          const views = loads.map((load) => ({ isReady: true, load }));
          loads[engineOf(router.route(promptOf(textOf(text)), views))]! += 1;
        }
        assert.ok(Math.max(...loads) - Math.min(...loads) <= NUM_SLOTS / 2 + 1, String(loads));
      }),
    );
  });
});
