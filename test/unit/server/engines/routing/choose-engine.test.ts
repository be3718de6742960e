import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Candidate,
  chooseEngine,
} from '../../../../../src/server/engines/routing/choose-engine.ts';

const NUM_TOKENS = 1_000;

const candidates = fc
  .array(
    fc.record({
      load: fc.nat(12),
      known: fc.oneof(fc.constant(0), fc.nat(NUM_TOKENS)),
      lastChosen: fc.nat(50),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((rows): readonly Candidate[] => rows.map((row, engine) => ({ ...row, engine })));

const inputs = fc.tuple(candidates, fc.integer({ min: 1, max: 8 }));

function chosenOf(all: readonly Candidate[], numSlots: number): Candidate & { by: string } {
  const choice = chooseEngine(all, { numTokens: NUM_TOKENS, numSlots });
  assert.ok(choice);
  const chosen = all.find(({ engine }) => engine === choice.engine);
  assert.ok(chosen, 'it is one of the candidates');
  return { ...chosen, by: choice.by };
}

const leastOf = (all: readonly Candidate[]): number => Math.min(...all.map(({ load }) => load));

describe('The chosen engine', () => {
  it('is never much busier than the idlest engine, and never full while another engine has a free slot', () => {
    fc.assert(
      fc.property(inputs, ([all, numSlots]) => {
        const { load } = chosenOf(all, numSlots);
        const least = leastOf(all);
        assert.ok(load - least <= Math.max(1, Math.floor(numSlots / 2)));
        assert.ok(load < numSlots || least >= numSlots);
      }),
    );
  });

  it('has a good part of the prompt cached, or the fewest requests', () => {
    fc.assert(
      fc.property(inputs, ([all, numSlots]) => {
        const { load, known, by } = chosenOf(all, numSlots);
        if (by === 'prefix') assert.ok(known >= 0.3 * NUM_TOKENS);
        else assert.equal(load, leastOf(all));
      }),
    );
  });

  it('has the longest cached prefix among the engines that are not busier', () => {
    fc.assert(
      fc.property(inputs, ([all, numSlots]) => {
        const { load, known, by } = chosenOf(all, numSlots);
        const rivals = all.filter((rival) => rival.load <= load && rival.known > known);
        if (by === 'prefix') assert.deepEqual(rivals, []);
        else assert.ok(rivals.every((rival) => rival.known < 0.3 * NUM_TOKENS));
      }),
    );
  });

  it('does not depend on the order of the candidates', () => {
    fc.assert(
      fc.property(inputs, fc.nat(), ([all, numSlots], by) => {
        const clocked = all.map((each) => ({ ...each, lastChosen: each.engine }));
        const turned = [...clocked.slice(by % all.length), ...clocked.slice(0, by % all.length)];
        assert.equal(chosenOf(turned, numSlots).engine, chosenOf(clocked, numSlots).engine);
      }),
    );
  });
});

describe('The engine for a prompt', () => {
  const engine = (number: number, parts: Partial<Candidate>): Candidate => ({
    engine: number,
    load: 0,
    known: 0,
    lastChosen: 0,
    ...parts,
  });
  const choose = (...all: readonly Candidate[]): number | undefined =>
    chooseEngine(all, { numTokens: NUM_TOKENS, numSlots: 4 })?.engine;

  it('is the one with the longest cached prefix, although another is idle', () => {
    assert.equal(choose(engine(0, {}), engine(1, { known: 700, load: 2 })), 1);
  });

  it('is the idle one when the cached prefix is short', () => {
    assert.equal(choose(engine(0, {}), engine(1, { known: 200, load: 1 })), 0);
  });

  it('is one with a shorter prefix when the one with the longest is full', () => {
    const full = engine(0, { known: 900, load: 4 });
    assert.equal(choose(full, engine(1, { known: 400, load: 2 }), engine(2, { load: 2 })), 1);
  });

  it('alternates between equal engines', () => {
    assert.equal(choose(engine(0, { lastChosen: 7 }), engine(1, { lastChosen: 6 })), 1);
  });

  it('is null when there is no engine', () => {
    assert.equal(chooseEngine([], { numTokens: NUM_TOKENS, numSlots: 4 }), null);
  });
});
