import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { GenerationEvent, GenerationRequest } from '../../../src/engine/generation.ts';
import { choiceRequests } from '../../../src/server/request/generation-request.ts';
import { bytesOf, EOS, NEWLINE } from '../../helpers/byte-tokens.ts';
import { repetitions } from '../../helpers/corpus-sample.ts';
import { EngineBench, promptOf, requestOf } from '../../helpers/engine-bench.ts';
import { Random } from '../../helpers/random.ts';
import type { Script } from '../../helpers/scripted-runner.ts';
import { TextConstraint } from '../../helpers/text-constraint.ts';

const LETTERS = bytesOf('abcde{}": ');
const FAST = {
  ...requestOf([1]).thinking,
  requested: 'fast',
  source: 'request',
  start: 'answer-start',
} as const;
const TEXTS = ['{"a": "abab abab"}', '{"a": "abab cdcd abab cdcd"}', 'abababababab', '{}'];

/** A model of few habits: what it likes next hangs on its last two tokens, mostly, and it likes it more or less. */
function babble(seed: number): Script {
  return (generated) => {
    const [last = 0, before = 0] = generated.slice(-2).reverse();
    const habit = new Random(seed * 7919 + last * 131 + before);
    const whim = new Random(seed + generated.length * 31);
    const next = whim.next() < 0.1 ? whim : habit;
    if (next.next() < 0.02) return EOS;
    return { tokenId: LETTERS[next.below(LETTERS.length)] ?? NEWLINE, margin: 1 + 7 * next.next() };
  };
}

const sampling = fc.record({
  temperature: fc.constantFrom(0, 0.7, 1.5),
  topP: fc.constantFrom(1, 0.9, 0.5),
  topK: fc.constantFrom(0, 3, 40),
  minP: fc.constantFrom(0, 0.1),
  repetitionPenalty: fc.constantFrom(1, 1.2, 0.8),
  presencePenalty: fc.constantFrom(0, 0.5, -0.5),
  frequencyPenalty: fc.constantFrom(0, 0.2, -0.2),
  logitBias: fc
    .array(fc.tuple(fc.constantFrom(...LETTERS, EOS), fc.constantFrom(-100, -2, 2)), {
      maxLength: 3,
    })
    .map((pairs) => new Map(pairs)),
  seed: fc.integer({ min: 0, max: 1000 }),
});

const parts = fc.record({
  sampling,
  maxTokens: fc.integer({ min: 1, max: 90 }),
  minTokens: fc.constantFrom(0, 5, 40),
  stop: fc.constantFrom([], ['ab'], ['c', 'dd']),
  stopTokenIds: fc.constantFrom([], bytesOf('e')),
  topLogprobs: fc.constantFrom(null, 0, 2),
  thinking: fc.oneof(
    fc.constant(FAST),
    fc.constantFrom(null, 3, 10).map((budget) => ({ ...requestOf([1]).thinking, budget })),
  ),
  grammar: fc.constantFrom(null, 'held'),
});

interface Run {
  readonly parts: Partial<GenerationRequest>;
  readonly modelSeed: number;
  readonly numChoices: number;
  readonly numSlots: number;
  /** Milliseconds of a step of one token and of several. */
  readonly costs: readonly [number, number];
  readonly speculates: boolean;
}

async function run({ modelSeed, numChoices, numSlots, costs, speculates, ...of }: Run) {
  let time = 0;
  const bench = new EngineBench({
    numSlots,
    speculates,
    now: () => time,
    onCall: ({ kind }) => {
      time += kind === 'verify' ? costs[1] : costs[0];
    },
    openConstraint: ({ endTokens }) => new LateConstraint(TEXTS, { endTokens }),
  });
  const request = requestOf(promptOf(1, 12), of.parts);
  const script = babble(modelSeed);
  const requests = choiceRequests(request, numChoices);
  const ends = await Promise.all(requests.map((each) => bench.submit({ request: each, script })));
  for (const { detail } of ends) assert.equal(detail, null);
  const { acceptedTokens } = bench.engine.counts().totals;
  return { events: requests.map(({ id }) => untimed(bench.of(id))), acceptedTokens };
}

function untimed(events: readonly GenerationEvent[]): unknown[] {
  return events.map((event) => (event.type === 'finish' ? { ...event, timing: null } : event));
}

/** Its masks come later than they are asked for, as those of another thread do. */
class LateConstraint extends TextConstraint {
  #isKnown = true;

  override get mask(): Int32Array | null {
    return this.#isKnown ? super.mask : null;
  }

  override accept(tokenId: number): void {
    super.accept(tokenId);
    this.#isKnown = false;
  }

  override reset(): void {
    super.reset();
    this.#isKnown = false;
  }

  override async ready(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#isKnown = true;
  }
}

describe('Speculative decoding does not change the output', () => {
  it('with any samplers, penalties, bias, ends, budgets, constraints and choices', async () => {
    const numRuns = repetitions(150, 40);
    let numAccepted = 0;
    const cases = fc.record({
      parts,
      modelSeed: fc.integer({ min: 1, max: 1000 }),
      numChoices: fc.integer({ min: 1, max: 3 }),
      numSlots: fc.integer({ min: 1, max: 3 }),
      costs: fc.constantFrom<readonly [number, number]>([10, 10], [10, 18], [10, 40]),
    });
    await fc.assert(
      fc.asyncProperty(cases, async (of) => {
        const plain = await run({ ...of, speculates: false });
        const ahead = await run({ ...of, speculates: true });
        assert.deepEqual(ahead.events, plain.events);
        assert.equal(plain.acceptedTokens, 0);
        numAccepted += ahead.acceptedTokens;
      }),
      { numRuns, seed: 1 },
    );
    assert.ok(numAccepted > numRuns, `${numAccepted} draft tokens accepted`);
  });
});
