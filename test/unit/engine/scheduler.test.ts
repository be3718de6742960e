import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planStep, type RunningView, type StepPlan } from '../../../src/engine/scheduler.ts';

const LIMITS = { numSlots: 4, prefillChunk: 512, tilesPerStep: 2 };

function decoding(id: string): RunningView {
  return { id, phase: 'decode', numTilesLeft: 0, numPromptTokensLeft: 0 };
}
function prefilling(id: string, numPromptTokensLeft: number): RunningView {
  return { id, phase: 'prefill', numTilesLeft: 0, numPromptTokensLeft };
}
function seeing(id: string, numTilesLeft: number): RunningView {
  return { id, phase: 'vision', numTilesLeft, numPromptTokensLeft: 700 };
}

interface Case {
  readonly name: string;
  readonly waiting?: readonly string[];
  readonly running?: readonly RunningView[];
  readonly plan: Partial<StepPlan>;
}

const CASES: readonly Case[] = [
  { name: 'does nothing when there is nothing', plan: {} },
  { name: 'admits one that waits', waiting: ['a'], plan: { admit: ['a'] } },
  {
    name: 'admits first come, first served, as many as there are slots',
    waiting: ['a', 'b', 'c', 'd', 'e', 'f'],
    plan: { admit: ['a', 'b', 'c', 'd'] },
  },
  {
    name: 'admits into the slots that are free and decodes the others meanwhile',
    waiting: ['d', 'e'],
    running: [decoding('a'), decoding('b'), decoding('c')],
    plan: { admit: ['d'], decode: ['a', 'b', 'c'] },
  },
  {
    name: 'admits nobody when all slots are taken',
    waiting: ['e'],
    running: ['a', 'b', 'c', 'd'].map(decoding),
    plan: { decode: ['a', 'b', 'c', 'd'] },
  },
  {
    name: 'cuts a prompt to one chunk a step',
    running: [prefilling('a', 1300)],
    plan: { prefill: { id: 'a', numTokens: 512 } },
  },
  {
    name: 'takes the rest of a prompt when it is less than a chunk',
    running: [prefilling('a', 276)],
    plan: { prefill: { id: 'a', numTokens: 276 } },
  },
  {
    name: 'lets one piece of one prompt ride along with every decoding sequence, the oldest first',
    running: [decoding('a'), prefilling('b', 600), decoding('c'), prefilling('d', 10)],
    plan: { decode: ['a', 'c'], prefill: { id: 'b', numTokens: 512 } },
  },
  {
    name: 'encodes some tiles a step, instead of a chunk',
    running: [seeing('a', 5), prefilling('b', 10)],
    plan: { vision: { id: 'a', numTiles: 2 } },
  },
  {
    name: 'encodes the last tile alone',
    running: [decoding('a'), seeing('b', 1)],
    plan: { decode: ['a'], vision: { id: 'b', numTiles: 1 } },
  },
  {
    name: 'keeps a younger picture waiting behind an older prompt',
    running: [prefilling('a', 10), seeing('b', 5)],
    plan: { prefill: { id: 'a', numTokens: 10 } },
  },
];

describe('planStep', () => {
  for (const { name, waiting = [], running = [], plan } of CASES) {
    it(name, () => {
      const views = waiting.map((id) => ({ id }));
      assert.deepEqual(planStep(views, running, LIMITS), {
        admit: [],
        decode: [],
        vision: null,
        prefill: null,
        ...plan,
      });
    });
  }
});
