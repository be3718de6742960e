import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DecisionEvent } from '../../../../src/engine/generation.ts';
import type { DecisionBias } from '../../../../src/engine/thinking/decision.ts';
import { biasedProbability } from '../../../../src/engine/thinking/decision-bias.ts';
import { BLANK_LINE, bytesOf, CLOSE, EOS, NEWLINE } from '../../../helpers/byte-tokens.ts';
import { repetitions } from '../../../helpers/corpus-sample.ts';
import { EngineBench, promptOf, requestOf } from '../../../helpers/engine-bench.ts';

const NO_LEAN: DecisionBias = { requestBias: 0, serverBias: 0, loadBias: 0, threshold: null };
const { thinking, sampling } = requestOf([1]);

interface Choice {
  readonly pThink: number;
  readonly decisionBias?: Partial<DecisionBias>;
  readonly temperature?: number;
  readonly seed?: number;
}

/** A model that thinks with a given probability; 0.1 of the mass is on neither. */
async function decide(choice: Choice): Promise<{ decision: DecisionEvent; ids: number[] }> {
  const { pThink, decisionBias, temperature = 0, seed = 0 } = choice;
  const bench = new EngineBench();
  const request = requestOf(promptOf(1, 5), {
    sampling: { ...sampling, temperature, seed },
    thinking: {
      ...thinking,
      ...(decisionBias === undefined ? {} : { decisionBias: { ...NO_LEAN, ...decisionBias } }),
    },
  });
  const thought = [...bytesOf('Hm'), CLOSE, ...bytesOf('Yes')];
  const direct = [CLOSE, ...bytesOf('No')];
  await bench.submit({
    request,
    script: (generated) => {
      const probabilities = new Map([
        [NEWLINE, 0.9 * pThink],
        [BLANK_LINE, 0.9 * (1 - pThink)],
      ]);
      if (generated.length === 0) return { tokenId: NEWLINE, probabilities };
      const rest = generated[0] === BLANK_LINE ? direct : thought;
      return { tokenId: rest[generated.length - 1] ?? EOS, margin: 60 };
    },
  });
  const decision = bench.of('request 1').find((event) => event.type === 'decision');
  assert.ok(decision);
  return { decision, ids: bench.tokens('request 1').map(({ tokenId }) => tokenId) };
}

function assertClose(found: number | null, expected: number): void {
  assert.ok(Math.abs((found ?? Number.NaN) - expected) < 1e-5, `${found} is not ${expected}`);
}

describe('DecisionBias at temperature 0', () => {
  it('a threshold decides on p, on both sides of it', async () => {
    for (const [pThink, threshold, mode, source] of [
      [0.3, 0.25, 'think', 'policy'],
      [0.3, 0.35, 'fast', 'model'],
      [0.8, 0.9, 'fast', 'policy'],
      [0.8, 0.7, 'think', 'model'],
    ] as const) {
      const { decision } = await decide({ pThink, decisionBias: { threshold } });
      assert.deepEqual([decision.mode, decision.source], [mode, source], `${pThink}, ${threshold}`);
      assertClose(decision.pThink, pThink);
      assertClose(decision.pThinkBiased, pThink);
      assertClose(decision.residual, 0.1);
    }
  });

  it('a bias moves p, and the source that changed the outcome is named', async () => {
    const odds = Math.log(0.7 / 0.3);
    for (const [decisionBias, mode, source] of [
      [{ requestBias: odds + 0.1 }, 'think', 'request'],
      [{ serverBias: odds + 0.1 }, 'think', 'policy'],
      [{ loadBias: odds + 0.1 }, 'think', 'load'],
      [{ requestBias: odds - 0.1 }, 'fast', 'model'],
      [{ serverBias: odds - 0.1, requestBias: 0.2 }, 'think', 'request'],
      [{ serverBias: odds + 0.1, loadBias: -0.2 }, 'fast', 'model'],
      [{ threshold: 0.2, thresholdSource: 'request' }, 'think', 'request'],
    ] as const) {
      const { decision } = await decide({ pThink: 0.3, decisionBias });
      assert.deepEqual(
        [decision.mode, decision.source],
        [mode, source],
        JSON.stringify(decisionBias),
      );
      assertClose(decision.pThink, 0.3);
    }
  });

  it('without a bias the choice and p stay the same', async () => {
    for (const decisionBias of [undefined, {}]) {
      const { decision } = await decide({
        pThink: 0.6,
        ...(decisionBias === undefined ? {} : { decisionBias }),
      });
      assert.deepEqual([decision.mode, decision.source], ['think', 'model']);
      assert.equal(decision.pThinkBiased, decision.pThink);
    }
  });

  it('acts at one position only: the rest is what the model writes', async () => {
    const { ids } = await decide({ pThink: 0.01, decisionBias: { requestBias: 20 } });
    assert.deepEqual(ids, [NEWLINE, ...bytesOf('Hm'), CLOSE, ...bytesOf('Yes'), EOS]);
  });
});

describe('DecisionBias at temperature 1', () => {
  const NUM_SEEDS = repetitions(300, 80);

  async function shareOfThinking(
    decisionBias: Partial<DecisionBias>,
  ): Promise<[number, Set<string>]> {
    let numThink = 0;
    const sources = new Set<string>();
    for (let seed = 0; seed < NUM_SEEDS; seed++) {
      const { decision, ids } = await decide({ pThink: 0.3, decisionBias, temperature: 1, seed });
      if (ids[0] === NEWLINE) numThink++;
      sources.add(decision.source);
    }
    return [numThink / NUM_SEEDS, sources];
  }

  it('draws thinking as often as the biased p says, and leaves other tokens their share', async () => {
    for (const decisionBias of [{}, { requestBias: 1.5 }, { threshold: 0.1 }, { threshold: 0.8 }]) {
      const [share] = await shareOfThinking(decisionBias);
      const total = { bias: 0, threshold: null, ...decisionBias };
      const bias = 'requestBias' in decisionBias ? (decisionBias.requestBias ?? 0) : 0;
      const expected = 0.9 * biasedProbability(0.3, { ...total, bias }, false);
      // Five standard deviations of the share.
      const slack = 5 * Math.sqrt((expected * (1 - expected)) / NUM_SEEDS);
      assert.ok(Math.abs(share - expected) < slack, `${share} for ${expected}`);
    }
  });

  it('names a source only where its bias changed the draw', async () => {
    const [, none] = await shareOfThinking({});
    assert.deepEqual(none, new Set(['model']));
    const [, some] = await shareOfThinking({ loadBias: -2 });
    assert.deepEqual(some, new Set(['model', 'load']));
    const [, half] = await shareOfThinking({ threshold: 0.5 });
    assert.deepEqual(half, new Set(['model']));
  });
});
