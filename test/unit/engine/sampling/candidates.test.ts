import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Candidates, selectCandidates } from '../../../../src/engine/sampling/candidates.ts';
import { repetitions } from '../../../helpers/corpus-sample.ts';
import { Random } from '../../../helpers/random.ts';

const ALL = { temperature: 1, topK: 0, topP: 1, minP: 0 };

interface Weighted {
  readonly id: number;
  readonly weight: number;
}

/** Every token with its weight, most likely first. */
function ranked(logits: Float32Array, temperature: number): Weighted[] {
  const max = logits.reduce((a, b) => Math.max(a, b));
  return Array.from(logits)
    .map((logit, id) => ({ id, weight: Math.exp((logit - max) / temperature) }))
    .sort((a, b) => b.weight - a.weight || a.id - b.id);
}

function total(of: readonly Weighted[]): number {
  return of.reduce((sum, { weight }) => sum + weight, 0);
}

/** The sizes a nucleus may have: two only where the mass meets topP to within rounding. */
function nucleusSizes(from: readonly Weighted[], topP: number): number[] {
  const wanted = topP * total(from);
  const reaches = (slack: number): number => {
    let reached = 0;
    let size = 0;
    while (size < from.length && (size === 0 || reached < wanted * slack)) {
      reached += from[size++]!.weight;
    }
    return size;
  };
  return [reaches(1 - 1e-12), reaches(1 + 1e-12)];
}

function assertIsHead(
  found: Candidates,
  from: readonly Weighted[],
  sizes: readonly number[],
): void {
  const size = found.ids.length;
  assert.ok(sizes.includes(size), `kept ${size} tokens, expected ${sizes.join(' or ')}`);
  const expected = new Map(from.slice(0, size).map(({ id, weight }) => [id, weight]));
  assert.deepEqual(
    [...found.ids].sort((a, b) => a - b),
    [...expected.keys()].sort((a, b) => a - b),
  );
  assert.deepEqual(
    [...found.weights],
    [...found.ids].map((id) => expected.get(id)),
  );
  const sum = [...found.weights].reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(found.total - sum) <= 1e-12 * sum);
}

/** Distributions of many shapes: normal-like, flat, peaked, tied, with impossible tokens, with a huge range. */
function shapes(random: Random): Float32Array[] {
  const length = 1 + random.below(200);
  const peaked = random.floats(length, 2);
  peaked[random.below(length)] = 25;
  const impossible = random.floats(length, 3);
  for (let i = 1; i < length; i += 3) impossible[i] = Number.NEGATIVE_INFINITY;
  return [
    random.floats(length, 3),
    new Float32Array(length).fill(random.next() * 100),
    peaked,
    Float32Array.from({ length }, () => random.below(3)),
    impossible,
    random.floats(length, 200),
  ];
}

describe('selectCandidates', () => {
  it('keeps every token, weighted by its probability, when nothing filters', () => {
    const logits = Float32Array.of(1, 2, 0);
    const { ids, weights, total: sum } = selectCandidates(logits, ALL);
    assert.deepEqual([...ids], [0, 1, 2]);
    assert.deepEqual([...weights], [Math.exp(-1), 1, Math.exp(-2)]);
    assert.equal(sum, Math.exp(-1) + 1 + Math.exp(-2));
  });

  it('takes exactly the nucleus a full sort gives', () => {
    const random = new Random(11);
    for (let round = 0; round < repetitions(1000, 200); round++) {
      const topP =
        round % 10 === 0 ? 1e-6 : round % 10 === 1 ? 0.999999 : 0.01 + random.next() * 0.98;
      const temperature = 0.1 + random.next() * 2;
      for (const logits of shapes(random)) {
        const from = ranked(logits, temperature);
        const found = selectCandidates(logits, { ...ALL, temperature, topP });
        assertIsHead(found, from, nucleusSizes(from, topP));
      }
    }
  });

  it('takes the topK most likely, lowest ids among equals', () => {
    const random = new Random(12);
    for (let round = 0; round < repetitions(300, 60); round++) {
      for (const logits of shapes(random)) {
        const topK = 1 + random.below(150);
        const found = selectCandidates(logits, { ...ALL, topK });
        assertIsHead(found, ranked(logits, 1), [Math.min(topK, logits.length)]);
      }
    }
  });

  it('takes the tokens at least minP times as likely as the first', () => {
    const random = new Random(13);
    for (let round = 0; round < repetitions(300, 60); round++) {
      for (const logits of shapes(random)) {
        const minP = random.next();
        const from = ranked(logits, 1);
        const found = selectCandidates(logits, { ...ALL, minP });
        assertIsHead(found, from, [from.filter(({ weight }) => weight >= minP).length]);
      }
    }
  });

  it('lets each filter see what the one before left', () => {
    // Probabilities 0.4, 0.3, 0.2, 0.1: of the first three, 0.75 of the mass is in two; of all four, in three.
    const logits = Float32Array.from([0.4, 0.3, 0.2, 0.1], Math.log);
    assert.equal(selectCandidates(logits, { ...ALL, topP: 0.75 }).ids.length, 3);
    assert.equal(selectCandidates(logits, { ...ALL, topK: 3, topP: 0.75 }).ids.length, 2);
    assert.equal(selectCandidates(logits, { ...ALL, topK: 3, minP: 0.6 }).ids.length, 2);
    assert.deepEqual(
      [...selectCandidates(logits, { ...ALL, topK: 3, topP: 0.75, minP: 0.9 }).ids],
      [0],
    );
  });

  it('sharpens with a low temperature and flattens with a high one', () => {
    const logits = Float32Array.of(2, 1, 0);
    const share = (temperature: number): number => {
      const { weights, total: sum } = selectCandidates(logits, { ...ALL, temperature });
      return weights[0]! / sum;
    };
    assert.ok(Math.abs(share(1) - 1 / (1 + Math.exp(-1) + Math.exp(-2))) < 1e-12);
    assert.ok(Math.abs(share(2) - 1 / (1 + Math.exp(-0.5) + Math.exp(-1))) < 1e-12);
    assert.ok(share(0.01) > 0.999999);
    assert.equal(share(1e-6), 1);
  });

  it('filters a full vocabulary', () => {
    const logits = new Random(14).floats(151_936, 12);
    for (const topP of [0.5, 0.95]) {
      const from = ranked(logits, 1);
      const found = selectCandidates(logits, { ...ALL, topP });
      assertIsHead(found, from, nucleusSizes(from, topP));
    }
    const flat = selectCandidates(new Float32Array(151_936), { ...ALL, topP: 0.25 });
    assert.deepEqual([...flat.ids], [...Array(151_936 / 4).keys()]);
  });
});
