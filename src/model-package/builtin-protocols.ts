/** The thinking protocols the converter can give a package. */
import type { Protocol } from './protocol.ts';

const R4B: Protocol = {
  name: 'R-4B',
  tags: { open: '<think>', close: '</think>' },
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
  // Inferred: the paper has no budget.
  budget: { exit: '\n</think>\n\n' },
  evidence: 'partly-inferred',
};

const QWEN3: Protocol = {
  name: 'Qwen3',
  tags: { open: '<think>', close: '</think>' },
  defaultMode: 'think',
  modes: {
    think: {
      templateVariables: { enable_thinking: true },
      sampling: { temperature: 0.6, topP: 0.95, topK: 20 },
    },
    fast: {
      prefill: '<think>\n\n</think>\n\n',
      templateVariables: { enable_thinking: false },
      sampling: { temperature: 0.7, topP: 0.8, topK: 20 },
    },
  },
  decide: { by: 'empty-block' },
  history: { thinking: 'after-last-user' },
  // The sentence of Qwen3's own thinking-budget recipe.
  budget: {
    exit: '\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n</think>\n\n',
  },
  evidence: 'seen',
};

export const BUILTIN_PROTOCOLS: Readonly<Record<string, Protocol>> = {
  'R-4B': R4B,
  Qwen3: QWEN3,
};
