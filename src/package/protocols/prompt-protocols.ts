/** Families that do not decide: the prompt fixes the mode. */
import type { Protocol } from '../protocol.ts';
import { EXTENSION, THINK_TAGS } from './shared.ts';

const QWEN3: Protocol = {
  name: 'Qwen3',
  tags: THINK_TAGS,
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
  softSwitch: { '/think': 'think', '/no_think': 'fast' },
  history: { thinking: 'after-last-user' },
  // The sentence of Qwen3's own thinking-budget recipe.
  budget: {
    exit: '\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n</think>\n\n',
    extension: EXTENSION,
  },
  evidence: 'seen',
};

const DEEPSEEK_V31: Protocol = {
  name: 'DeepSeek-V3.1',
  tags: THINK_TAGS,
  defaultMode: 'fast',
  modes: {
    think: { prefill: '<think>', templateVariables: { thinking: true } },
    fast: { prefill: '</think>', templateVariables: { thinking: false } },
  },
  decide: { by: 'prompt' },
  history: { thinking: 'drop', replacement: '</think>' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified: 'The budget is inferred.',
};

const GLM_45V: Protocol = {
  name: 'GLM-4.5V',
  tags: THINK_TAGS,
  defaultMode: 'think',
  modes: {
    think: { templateVariables: { enable_thinking: true } },
    fast: {
      userSuffix: '/nothink',
      prefill: '\n<think></think>',
      templateVariables: { enable_thinking: false },
    },
  },
  decide: { by: 'empty-block' },
  answer: { all: { open: '<|begin_of_box|>', close: '<|end_of_box|>', anywhere: true } },
  history: { thinking: 'after-last-user', replacement: '\n<think></think>' },
  budget: { exit: '</think>', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified:
    'Read from the template of GLM-4.6; that of GLM-4.5V is said to have the same switch.',
};

const MIMO_VL: Protocol = {
  name: 'MiMo-VL-2508',
  tags: THINK_TAGS,
  defaultMode: 'think',
  modes: {
    think: { sampling: { temperature: 0.3, topP: 0.95 } },
    fast: { userSuffix: ' /no_think', sampling: { temperature: 0.3, topP: 0.95 } },
  },
  decide: { by: 'empty-block' },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified:
    'What a direct answer looks like (an empty block or none) and the budget are inferred.',
};

const MINICPM_V45: Protocol = {
  name: 'MiniCPM-V-4.5',
  tags: THINK_TAGS,
  defaultMode: 'fast',
  modes: {
    think: {
      prefill: '<think>\n',
      templateVariables: { enable_thinking: true },
      sampling: { temperature: 0.7, topP: 1 },
    },
    fast: {
      prefill: '<think>\n\n</think>\n\n',
      templateVariables: { enable_thinking: false },
    },
  },
  decide: { by: 'prompt' },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified: 'The default mode and the budget are inferred.',
};

/** The system prompt of the authors' code; it alone switches thinking on. */
const INTERNVL_SYSTEM =
  "You are an AI assistant that rigorously follows this response protocol:\n\n1. First, conduct a detailed analysis of the question. Consider different angles, potential solutions, and reason through the problem step-by-step. Enclose this entire thinking process within <think> and </think> tags.\n\n2. After the thinking section, provide a clear, concise, and direct answer to the user's question. Separate the answer from the think section with a newline.\n\nEnsure that the thinking process is thorough but remains focused on the query. The final answer should be standalone and not reference the thinking section.";

const INTERNVL35: Protocol = {
  name: 'InternVL3.5',
  tags: THINK_TAGS,
  defaultMode: 'fast',
  modes: {
    think: { system: INTERNVL_SYSTEM, sampling: { temperature: 0.6, topP: 0.95 } },
    fast: {},
  },
  decide: { by: 'empty-block' },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified: 'The line breaks of the system prompt and the budget are inferred.',
};

const HUNYUAN_A13B: Protocol = {
  name: 'Hunyuan-A13B',
  tags: THINK_TAGS,
  defaultMode: 'think',
  modes: {
    think: {
      userPrefix: '/think',
      sampling: { temperature: 0.7, topP: 0.8, topK: 20, repetitionPenalty: 1.05 },
    },
    fast: {
      userPrefix: '/no_think',
      prefill: '<think>\n\n</think>\n',
      sampling: { temperature: 0.7, topP: 0.8, topK: 20, repetitionPenalty: 1.05 },
    },
  },
  // After the open tag, white space decides: one line break or two.
  decide: { by: 'empty-block' },
  answer: { all: { open: '<answer>', close: '</answer>' } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n<answer>\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified: 'The budget is inferred.',
};

const SEED_OSS: Protocol = {
  name: 'Seed-OSS',
  tags: { open: '<seed:think>', close: '</seed:think>' },
  defaultMode: 'think',
  // The template turns a budget into the system text that the family was trained on, and 0 into a block that states it.
  modes: { think: {}, fast: { templateVariables: { thinking_budget: 0 } } },
  decide: { by: 'empty-block' },
  history: { thinking: 'drop' },
  budget: {
    exit: '\n</seed:think>\n',
    extension: EXTENSION,
    templateVariable: 'thinking_budget',
  },
  evidence: 'partly-inferred',
  unverified:
    "The exit text is inferred; the model's own reports of what it has used stay in the thinking as it writes them.",
};

const TRAAC: Protocol = {
  name: 'TRAAC',
  tags: THINK_TAGS,
  defaultMode: 'think',
  modes: { think: { sampling: { temperature: 0.6, topP: 0.95, topK: 20 } } },
  decide: { by: 'prompt' },
  history: { thinking: 'after-last-user' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'inferred',
  unverified: 'Taken to be as Qwen3, its base, from a secondary source; the budget is inferred.',
};

export const PROMPT_PROTOCOLS: readonly Protocol[] = [
  QWEN3,
  DEEPSEEK_V31,
  GLM_45V,
  MIMO_VL,
  MINICPM_V45,
  INTERNVL35,
  HUNYUAN_A13B,
  SEED_OSS,
  TRAAC,
];
