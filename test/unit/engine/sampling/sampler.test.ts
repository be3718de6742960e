import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SamplingParams } from '../../../../src/engine/sampling/params.ts';
import { Sampler } from '../../../../src/engine/sampling/sampler.ts';
import { Random } from '../../../helpers/random.ts';

const GREEDY: SamplingParams = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map(),
  seed: 1,
};
const RANDOM: SamplingParams = { ...GREEDY, temperature: 1 };

function draws(params: SamplingParams, logits: Float32Array, count: number): number[] {
  const sampler = new Sampler(params, []);
  return Array.from({ length: count }, () => sampler.sample(logits));
}

/** Pearson's statistic of draws against probabilities. */
function chiSquare(found: readonly number[], probabilities: readonly number[]): number {
  return probabilities.reduce((sum, p, id) => {
    const count = found.filter((drawn) => drawn === id).length;
    const expected = p * found.length;
    return expected === 0 ? sum + (count > 0 ? 1e9 : 0) : sum + (count - expected) ** 2 / expected;
  }, 0);
}

const PROBABILITIES = [0.05, 0.3, 0.02, 0.25, 0.13, 0.2, 0.01, 0.04];
const LOGITS = Float32Array.from(PROBABILITIES, (p) => Math.log(p) + 3);
/** Exceeded once in a thousand by a right sampler with 7 degrees of freedom; the seeds are fixed. */
const CHI_SQUARE_7 = 24.3;

describe('Sampler', () => {
  it('takes the most likely token at temperature 0, the lowest id among equals', () => {
    assert.equal(new Sampler(GREEDY, []).sample(Float32Array.of(1, 5, 5, 2)), 1);
    assert.equal(new Sampler({ ...GREEDY, topP: 0.1, topK: 1 }, []).sample(LOGITS), 1);
  });

  it('draws tokens as often as they are likely', () => {
    assert.ok(chiSquare(draws(RANDOM, LOGITS, 20_000), PROBABILITIES) < CHI_SQUARE_7);
  });

  it('draws from the distribution at the given temperature', () => {
    const squared = PROBABILITIES.map((p) => p ** 2);
    const sum = squared.reduce((a, b) => a + b, 0);
    const found = draws({ ...RANDOM, temperature: 0.5 }, LOGITS, 20_000);
    assert.ok(
      chiSquare(
        found,
        squared.map((p) => p / sum),
      ) < CHI_SQUARE_7,
    );
    assert.ok(chiSquare(found, PROBABILITIES) > 1000);
  });

  it('draws from what top-k, top-p and min-p leave, in its own proportions', () => {
    const within = (kept: readonly number[]): number[] => {
      const sum = kept.reduce((total, id) => total + PROBABILITIES[id]!, 0);
      return PROBABILITIES.map((p, id) => (kept.includes(id) ? p / sum : 0));
    };
    const cases: [Partial<SamplingParams>, number[]][] = [
      [{ topK: 3 }, [1, 3, 5]],
      [{ topP: 0.8 }, [1, 3, 5, 4]],
      [{ minP: 0.15 }, [1, 3, 4, 5, 0]],
    ];
    for (const [params, kept] of cases) {
      const found = draws({ ...RANDOM, ...params }, LOGITS, 10_000);
      assert.ok(chiSquare(found, within(kept)) < CHI_SQUARE_7, JSON.stringify(params));
    }
  });

  it('repeats its draws with a seed and not with another', () => {
    const first = draws({ ...RANDOM, seed: 5 }, LOGITS, 200);
    assert.deepEqual(draws({ ...RANDOM, seed: 5 }, LOGITS, 200), first);
    assert.notDeepEqual(draws({ ...RANDOM, seed: 6 }, LOGITS, 200), first);
  });

  it('divides positive and multiplies negative logits of seen tokens by the repetition penalty', () => {
    const params = { ...GREEDY, repetitionPenalty: 2 };
    const sampler = new Sampler(params, [0]);
    assert.equal(sampler.sample(Float32Array.of(5, 2.4, 2)), 0, '5 / 2 is still the largest');
    assert.equal(sampler.sample(Float32Array.of(5, 2.6, 2)), 1);
    sampler.accept(1);
    assert.equal(sampler.sample(Float32Array.of(5, 2.6, 2.51)), 2, 'the output counts too');
    assert.equal(new Sampler(params, [1]).sample(Float32Array.of(-3, -2, -9)), 0, '-2 becomes -4');
    assert.equal(new Sampler(params, [1, 1]).sample(Float32Array.of(-4.5, -2, -9)), 1, 'once only');
  });

  it('subtracts the presence penalty once and the frequency penalty each time, output only', () => {
    const presence = new Sampler({ ...GREEDY, presencePenalty: 1 }, [0]);
    assert.equal(presence.sample(Float32Array.of(3, 2.5)), 0, 'the prompt does not count');
    presence.accept(0);
    presence.accept(0);
    assert.equal(presence.sample(Float32Array.of(3, 1.9)), 0, '3 - 1');
    assert.equal(presence.sample(Float32Array.of(3, 2.1)), 1);

    const frequency = new Sampler({ ...GREEDY, frequencyPenalty: 1 }, [0]);
    assert.equal(frequency.sample(Float32Array.of(3, 2.5)), 0);
    frequency.accept(0);
    frequency.accept(0);
    assert.equal(frequency.sample(Float32Array.of(3, 0.9)), 0, '3 - 2');
    assert.equal(frequency.sample(Float32Array.of(3, 1.1)), 1);

    const reward = new Sampler({ ...GREEDY, presencePenalty: -1 }, []);
    reward.accept(1);
    assert.equal(reward.sample(Float32Array.of(3, 2.5)), 1, 'a negative penalty favours');
  });

  it('adds the logit bias, and ignores ids outside the vocabulary', () => {
    const logitBias = new Map([
      [2, 100],
      [99, 100],
    ]);
    assert.equal(new Sampler({ ...GREEDY, logitBias }, []).sample(Float32Array.of(5, 4, 0)), 2);
    const banned = { ...RANDOM, logitBias: new Map([[1, -100]]) };
    assert.ok(!draws(banned, LOGITS, 5000).includes(1));
  });

  it('leaves the raw logits as they are, whatever applies', () => {
    const random = new Random(4);
    const everything: SamplingParams = {
      temperature: 0.7,
      topP: 0.9,
      topK: 50,
      minP: 0.01,
      repetitionPenalty: 1.3,
      presencePenalty: 0.5,
      frequencyPenalty: 0.5,
      logitBias: new Map([[3, 2]]),
      seed: 9,
    };
    const sampler = new Sampler(everything, [1, 2, 3]);
    for (let step = 0; step < 200; step++) {
      const logits = random.floats(300, 4);
      const before = logits.slice();
      sampler.accept(sampler.sample(logits));
      assert.deepEqual(logits, before);
    }
  });

  it('never draws an impossible token', () => {
    const logits = Float32Array.of(Number.NEGATIVE_INFINITY, 0, Number.NEGATIVE_INFINITY, 0, -1e9);
    assert.deepEqual(new Set(draws(RANDOM, logits, 2000)), new Set([1, 3]));
  });

  it('rejects logits without a finite number', () => {
    for (const bad of [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]) {
      for (const params of [GREEDY, RANDOM, { ...RANDOM, topK: 2 }]) {
        const logits = new Float32Array(8).fill(bad);
        assert.throws(() => new Sampler(params, []).sample(logits), /must be a finite number/);
      }
    }
  });

  it('samples from a full vocabulary', () => {
    const logits = new Random(8).floats(151_936, 6);
    logits[77_777] = 20;
    const params = { ...RANDOM, topP: 0.95, topK: 200, minP: 0.001, repetitionPenalty: 1.1 };
    assert.ok(draws(params, logits, 20).filter((id) => id === 77_777).length > 15);
    assert.equal(new Sampler(GREEDY, []).sample(logits), 77_777);
  });
});
