/** Families that decide by themselves: an empty block is a direct answer. */
import type { Protocol } from '../protocol.ts';
import { EXTENSION, THINK_TAGS } from './shared.ts';

const R4B: Protocol = {
  name: 'R-4B',
  tags: THINK_TAGS,
  defaultMode: 'auto',
  // The three suffixes of the paper (arXiv 2508.21113, section 4.1); the variable is the chat template's own.
  modes: {
    auto: {
      prefill: '<think>',
      templateVariables: { thinking_mode: 'auto' },
      sampling: { temperature: 0 },
    },
    think: { prefill: '<think>\n', templateVariables: { thinking_mode: 'long' } },
    fast: { prefill: '<think>\n\n</think>', templateVariables: { thinking_mode: 'short' } },
  },
  decide: { by: 'empty-block', probe: { think: ['\n'], fast: ['\n\n'] } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified: 'The paper sets no budget and no rule for earlier turns: both are inferred.',
};

/** The base model's tokenizer splits the tags into several tokens. */
const TON_INSTRUCTION =
  '  Output the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags.';

const TON: Protocol = {
  name: 'TON',
  tags: THINK_TAGS,
  defaultMode: 'auto',
  modes: {
    auto: { userSuffix: TON_INSTRUCTION, sampling: { temperature: 0 } },
    think: { userSuffix: TON_INSTRUCTION, prefill: '<think>', banFirst: ['</think>'] },
    fast: { userSuffix: TON_INSTRUCTION, prefill: '<think>\n\n</think>' },
  },
  decide: { by: 'empty-block' },
  answer: { all: { open: '<answer>', close: '</answer>' } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n' },
  evidence: 'partly-inferred',
  unverified:
    'Forcing a mode by prefill and the budget are inferred; the instruction is the one for questions with a number as answer.',
};

const AUTO_THINK: Protocol = {
  name: 'AutoThink',
  tags: THINK_TAGS,
  defaultMode: 'auto',
  // The ellipsis leaves the decision to the model; a reply that begins with the close tag is a direct answer.
  modes: {
    auto: { prefill: '<think>\n...\n', sampling: { temperature: 0.6, topP: 0.95 } },
    think: { prefill: '<think>\n', sampling: { temperature: 0.6, topP: 0.95 } },
    fast: {
      prefill: '<think>\nOkay, I think I have finished thinking.\n</think>\n\n',
      sampling: { temperature: 0.6, topP: 0.95 },
    },
  },
  decide: { by: 'empty-block', probe: { fast: ['</think>'] } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'seen',
};

const ADAPT_THINK: Protocol = {
  name: 'AdaptThink',
  tags: THINK_TAGS,
  defaultMode: 'auto',
  modes: {
    auto: { prefill: '<think>\n', sampling: { temperature: 0.6, topP: 0.95 } },
    think: {
      prefill: '<think>\n',
      banFirst: ['</think>'],
      sampling: { temperature: 0.6, topP: 0.95 },
    },
    fast: { prefill: '<think>\n</think>', sampling: { temperature: 0.6, topP: 0.95 } },
  },
  decide: { by: 'empty-block', probe: { fast: ['</think>'] } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified:
    'Forced thinking bans the close tag where the authors begin with another word; the budget is inferred.',
};

const MINIMAX_M3: Protocol = {
  name: 'MiniMax-M3',
  tags: { open: '<mm:think>', close: '</mm:think>' },
  defaultMode: 'auto',
  modes: {
    auto: { templateVariables: { thinking_mode: 'adaptive' } },
    think: { templateVariables: { thinking_mode: 'enabled' } },
    fast: { templateVariables: { thinking_mode: 'disabled' }, prefill: '</mm:think>' },
  },
  decide: { by: 'empty-block' },
  history: { thinking: 'after-last-user' },
  budget: { exit: '\n</mm:think>\n' },
  evidence: 'partly-inferred',
  unverified:
    'The prefill of a direct answer, the rule for earlier turns and the budget are inferred.',
};

const ADAPT_R1: Protocol = {
  name: 'AdaptR1',
  tags: THINK_TAGS,
  defaultMode: 'auto',
  modes: { auto: {}, think: { prefill: '<think>' }, fast: { prefill: '<query>' } },
  decide: { by: 'empty-block' },
  answer: {
    think: { open: '<answer>', close: '</answer>' },
    fast: { open: '<query>', close: '</query>' },
  },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n' },
  evidence: 'inferred',
  unverified:
    "Every tag is inferred. The family decides at each step of a loop with a retrieval tool; here one request is one step, and its loop is the client's.",
};

export const BLOCK_PROTOCOLS: readonly Protocol[] = [
  R4B,
  TON,
  AUTO_THINK,
  ADAPT_THINK,
  MINIMAX_M3,
  ADAPT_R1,
];
