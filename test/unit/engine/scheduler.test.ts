import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Admission,
  defaultMaxThinkingSeqs,
  planAdmission,
  planLateAdmission,
  planStep,
  type RunningView,
  type StepPlan,
  type WaitingView,
} from '../../../src/engine/scheduler.ts';

const LIMITS = { prefillChunk: 512, tilesPerStep: 2 };
const SLOTS = { numSlots: 4, maxThinkingSeqs: 3 };

function decoding(id: string): RunningView {
  const phase = 'decode';
  return { id, phase, numTilesLeft: 0, numPromptTokensLeft: 0, thinks: false, preemptionCost: 9 };
}
function thinking(id: string, preemptionCost: number | null = 9): RunningView {
  return { ...decoding(id), thinks: true, preemptionCost };
}
function prefilling(id: string, numPromptTokensLeft: number): RunningView {
  return { ...decoding(id), phase: 'prefill', numPromptTokensLeft };
}
function seeing(id: string, numTilesLeft: number): RunningView {
  return { ...decoding(id), phase: 'vision', numTilesLeft, numPromptTokensLeft: 700 };
}
function waiting(id: string, parts: Partial<WaitingView> = {}): WaitingView {
  return { id, decisionState: 'undecided', arrivedMs: id.charCodeAt(0), priority: 0, ...parts };
}
function thinkingOne(id: string, parts: Partial<WaitingView> = {}): WaitingView {
  return waiting(id, { decisionState: 'thinking', ...parts });
}

interface AdmissionCase {
  readonly name: string;
  readonly waiting?: readonly WaitingView[];
  readonly running?: readonly RunningView[];
  readonly admission: Partial<Admission>;
}

const FOUR_DECODING = ['a', 'b', 'c', 'd'].map(decoding);
const FOUR_THINKING = [thinking('a', 30), thinking('b', 20), thinking('c', 40), thinking('d', 50)];

const ADMISSIONS: readonly AdmissionCase[] = [
  { name: 'admits no sequence when none waits', admission: {} },
  { name: 'admits a waiting sequence', waiting: [waiting('a')], admission: { admit: ['a'] } },
  {
    name: 'admits first come, first served, as many as there are slots',
    waiting: ['b', 'a', 'c', 'e', 'd', 'f'].map((id) => waiting(id)),
    admission: { admit: ['a', 'b', 'c', 'd'] },
  },
  {
    name: 'admits into the slots that are free',
    waiting: [waiting('d'), waiting('e')],
    running: FOUR_DECODING.slice(0, 3),
    admission: { admit: ['d'] },
  },
  {
    name: 'admits nobody when all slots are taken',
    waiting: [waiting('e')],
    running: FOUR_DECODING,
    admission: {},
  },
  {
    name: 'keeps the last slot from a request that is known to think',
    waiting: [thinkingOne('d')],
    running: FOUR_THINKING.slice(0, 3),
    admission: {},
  },
  {
    name: 'lets one that may be short pass a thinking sequence that has to wait',
    waiting: [thinkingOne('d'), waiting('e')],
    running: FOUR_THINKING.slice(0, 3),
    admission: { admit: ['e'] },
  },
  {
    name: 'counts the thinking sequences it admits',
    waiting: ['a', 'b', 'c', 'd'].map((id) => thinkingOne(id)),
    admission: { admit: ['a', 'b', 'c'] },
  },
  {
    name: 'does not count sequences that are at their answer',
    waiting: [thinkingOne('d')],
    running: [thinking('a'), thinking('b'), decoding('c')],
    admission: { admit: ['d'] },
  },
  {
    name: 'preempts the cheapest thinking sequence over the limit for one that may be short',
    waiting: [waiting('e')],
    running: FOUR_THINKING,
    admission: { preempt: 'b', admit: ['e'] },
  },
  {
    name: 'preempts no sequence for a thinking one',
    waiting: [thinkingOne('e')],
    running: FOUR_THINKING,
    admission: {},
  },
  {
    name: 'preempts no sequence twice',
    waiting: [waiting('e')],
    running: FOUR_THINKING.map((view) => ({ ...view, preemptionCost: null })),
    admission: {},
  },
  {
    name: 'preempts no sequence within the limit, however many wait',
    waiting: [waiting('e'), waiting('f')],
    running: [...FOUR_THINKING.slice(0, 3), decoding('d')],
    admission: {},
  },
  {
    name: 'lets an urgent request pass earlier ones',
    waiting: [waiting('a'), waiting('b', { priority: -1 }), waiting('c', { priority: 1 })],
    running: FOUR_DECODING.slice(0, 2),
    admission: { admit: ['b', 'a'] },
  },
  {
    name: 'lets no urgent request pass one that has waited long enough',
    waiting: [
      waiting('a', { arrivedMs: 0, priority: 5 }),
      waiting('b', { arrivedMs: 15_001, priority: -10 }),
    ],
    running: FOUR_DECODING.slice(0, 3),
    admission: { admit: ['a'] },
  },
  {
    name: 'lets a direct answer pass what came shortly before it',
    waiting: [waiting('a'), waiting('b', { decisionState: 'direct' })],
    running: FOUR_DECODING.slice(0, 3),
    admission: { admit: ['b'] },
  },
  {
    name: 'lets no direct answer pass what came long before it',
    waiting: [
      thinkingOne('a', { arrivedMs: 0 }),
      waiting('b', { decisionState: 'direct', arrivedMs: 2_001 }),
    ],
    running: FOUR_DECODING.slice(0, 3),
    admission: { admit: ['a'] },
  },
];

describe('planAdmission', () => {
  for (const { name, waiting: queue = [], running = [], admission } of ADMISSIONS) {
    it(name, () => {
      const found = planAdmission(queue, running, SLOTS);
      assert.deepEqual(found, { preempt: null, admit: [], ...admission });
    });
  }

  it('reserves one slot in four for direct answers by default', () => {
    assert.deepEqual([1, 2, 3, 4, 7, 8, 16].map(defaultMaxThinkingSeqs), [1, 2, 3, 3, 6, 6, 12]);
  });
});

interface Case {
  readonly name: string;
  readonly running?: readonly RunningView[];
  readonly plan: Partial<StepPlan>;
}

const CASES: readonly Case[] = [
  { name: 'does nothing when there is nothing', plan: {} },
  {
    name: 'cuts a prompt to one chunk a step',
    running: [prefilling('a', 1300)],
    plan: { prefill: [{ id: 'a', numTokens: 512 }] },
  },
  {
    name: 'takes the rest of a prompt when it is less than a chunk',
    running: [prefilling('a', 276)],
    plan: { prefill: [{ id: 'a', numTokens: 276 }] },
  },
  {
    name: 'lets one chunk of prompts ride along with every decoding sequence, the oldest first',
    running: [decoding('a'), prefilling('b', 600), decoding('c'), prefilling('d', 400)],
    plan: { decode: ['a', 'c'], prefill: [{ id: 'b', numTokens: 512 }] },
  },
  {
    name: 'takes younger prompts that fit half of the chunk before a piece of a long one',
    running: [prefilling('a', 900), prefilling('b', 200), prefilling('c', 56), prefilling('d', 1)],
    plan: {
      prefill: [
        { id: 'b', numTokens: 200 },
        { id: 'c', numTokens: 56 },
        { id: 'a', numTokens: 256 },
      ],
    },
  },
  {
    name: 'takes short prompts in their order',
    running: [prefilling('a', 20), prefilling('b', 10), prefilling('c', 30)],
    plan: {
      prefill: [
        { id: 'a', numTokens: 20 },
        { id: 'b', numTokens: 10 },
        { id: 'c', numTokens: 30 },
      ],
    },
  },
  {
    name: 'takes the prompts of thinking sequences last',
    running: [
      { ...prefilling('a', 20), thinks: true },
      { ...prefilling('b', 10), thinks: true },
      prefilling('c', 30),
    ],
    plan: {
      prefill: [
        { id: 'c', numTokens: 30 },
        { id: 'a', numTokens: 20 },
        { id: 'b', numTokens: 10 },
      ],
    },
  },
  {
    name: 'encodes some tiles a step, and a short prompt meanwhile',
    running: [seeing('a', 5), prefilling('b', 10), prefilling('c', 300), seeing('d', 1)],
    plan: { vision: { id: 'a', numTiles: 2 }, prefill: [{ id: 'b', numTokens: 10 }] },
  },
  {
    name: 'encodes the last tile alone',
    running: [decoding('a'), seeing('b', 1)],
    plan: { decode: ['a'], vision: { id: 'b', numTiles: 1 } },
  },
  {
    name: 'keeps a younger image waiting behind an older prompt',
    running: [prefilling('a', 10), seeing('b', 5)],
    plan: { prefill: [{ id: 'a', numTokens: 10 }] },
  },
];

describe('planStep', () => {
  for (const { name, running = [], plan } of CASES) {
    it(name, () => {
      assert.deepEqual(planStep(running, LIMITS), {
        vision: null,
        prefill: [],
        decode: [],
        ...plan,
      });
    });
  }
});

describe('planLateAdmission', () => {
  it('takes whole prompts of sequences that may answer directly, as many as fit', () => {
    const running = [
      decoding('a'),
      prefilling('b', 60),
      { ...prefilling('c', 10), thinks: true },
      prefilling('d', 50),
      seeing('e', 1),
      prefilling('f', 30),
    ];
    assert.deepEqual(planLateAdmission(running, 100), [
      { id: 'b', numTokens: 60 },
      { id: 'f', numTokens: 30 },
    ]);
    assert.deepEqual(planLateAdmission(running, 0), []);
  });
});
