/** Families that decide with a control string, at the start or after a preamble, or with words inside the preamble. */
import type { Protocol } from '../protocol.ts';
import { EXTENSION, THINK_TAGS } from './shared.ts';

const THINKLESS: Protocol = {
  name: 'Thinkless',
  tags: THINK_TAGS,
  defaultMode: 'auto',
  modes: {
    auto: { sampling: { temperature: 0.6, topP: 0.95 } },
    think: { prefill: '<think>', sampling: { temperature: 0.6, topP: 0.95 } },
    fast: { prefill: '<short>', sampling: { temperature: 0.6, topP: 0.95 } },
  },
  decide: {
    by: 'control',
    markers: { '<think>': 'think', '<short>': 'fast' },
    probe: { think: ['<think>'], fast: ['<short>'] },
  },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified: 'Forcing a mode by prefill and the budget are inferred.',
};

const LHRM: Protocol = {
  name: 'LHRM',
  tags: THINK_TAGS,
  defaultMode: 'auto',
  modes: { auto: {}, think: { prefill: '<think>' }, fast: { prefill: '<no_think>' } },
  decide: {
    by: 'control',
    markers: { '<think>': 'think', '<no_think>': 'fast' },
    probe: { think: ['<think>'], fast: ['<no_think>'] },
  },
  // The direct answer has tags of its own.
  answer: { fast: { open: '<no_think>', close: '</no_think>' } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified:
    'Forcing a mode by prefill and the budget are inferred; no public checkpoint was found.',
};

const KAT_V1: Protocol = {
  name: 'KAT-V1',
  tags: THINK_TAGS,
  preamble: { open: '<judge>', close: '</judge>' },
  defaultMode: 'auto',
  modes: {
    auto: {},
    think: { prefill: '<judge>\n\n</judge>\n\n<think_on>\n<think>\n' },
    fast: { prefill: '<judge>\n\n</judge>\n\n<think_off>\n<answer>\n' },
  },
  decide: {
    by: 'control',
    markers: { '<think_on>': 'think', '<think_off>': 'fast' },
    probe: { think: ['<think_on>'], fast: ['<think_off>'] },
  },
  answer: { all: { open: '<answer>', close: '</answer>' } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n<answer>\n' },
  evidence: 'inferred',
  unverified:
    'The control strings come from a secondary source; their order, the close tags and forcing a mode are inferred.',
};

const KEYE_VL: Protocol = {
  name: 'Keye-VL',
  tags: THINK_TAGS,
  preamble: { open: '<analysis>', close: '</analysis>' },
  defaultMode: 'auto',
  modes: {
    auto: { sampling: { temperature: 0.6, topP: 0.95, topK: 20 } },
    think: { userSuffix: '/think', sampling: { temperature: 0.6, topP: 0.95, topK: 20 } },
    fast: { userSuffix: '/no_think', sampling: { temperature: 0.6, topP: 0.95, topK: 20 } },
  },
  decide: { by: 'verdict', verdicts: { '/no_think mode': 'fast', '/think mode': 'think' } },
  answer: { all: { open: '<answer>', close: '</answer>' } },
  history: { thinking: 'after-last-user' },
  budget: { exit: '\n</think>\n', extension: EXTENSION },
  evidence: 'partly-inferred',
  unverified: 'The budget is inferred.',
};

const FINAL = '<|channel|>final<|message|>';
const GPT_OSS: Protocol = {
  name: 'gpt-oss',
  tags: {
    open: '<|channel|>analysis<|message|>',
    close: '<|end|>',
    reopen: '<|start|>assistant<|channel|>analysis<|message|>',
  },
  defaultMode: 'think',
  // The chat template writes the effort into the system message.
  modes: {
    think: { templateVariables: { reasoning_effort: 'medium' } },
    fast: { prefill: FINAL, templateVariables: { reasoning_effort: 'low' } },
  },
  efforts: {
    low: { templateVariables: { reasoning_effort: 'low' } },
    medium: { templateVariables: { reasoning_effort: 'medium' } },
    high: { templateVariables: { reasoning_effort: 'high' } },
  },
  decide: {
    by: 'control',
    markers: { '<|channel|>analysis<|message|>': 'think', [FINAL]: 'fast' },
  },
  answer: {
    think: { open: `<|start|>assistant${FINAL}`, close: '<|return|>' },
    fast: { open: FINAL, close: '<|return|>' },
  },
  history: { thinking: 'after-last-user', replacement: FINAL },
  budget: { exit: `<|end|><|start|>assistant${FINAL}` },
  evidence: 'partly-inferred',
  unverified:
    'The prefill of a direct answer and the exit text are inferred. The commentary channel and calls of tools are not read.',
};

const DRIVE_AGENT_R1: Protocol = {
  name: 'DriveAgent-R1',
  tags: { open: '<think_with_tools>', close: '</think_with_tools>' },
  defaultMode: 'auto',
  modes: {
    auto: {},
    think: {
      userSuffix: '\nHint: Now Organize Your thought with <think_with_tools></think_with_tools>',
    },
    fast: {
      userSuffix: '\nHint: Now Organize Your thought with <think_no_tools></think_no_tools>',
    },
  },
  decide: {
    by: 'control',
    markers: { '<think_with_tools>': 'think', '<think_no_tools>': 'fast' },
    probe: { think: ['<think_with_tools>'], fast: ['<think_no_tools>'] },
  },
  answer: { think: { open: '<meta actions>', close: '</meta actions>' } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think_with_tools>\n' },
  evidence: 'partly-inferred',
  unverified:
    'The weights are not public. "fast" is thinking without tools, whose text is part of the answer here; tools are not run.',
};

const ADAPTIVE_DEEP_REASONING: Protocol = {
  name: 'Adaptive-Deep-Reasoning',
  tags: THINK_TAGS,
  defaultMode: 'auto',
  modes: {
    auto: {},
    think: { userSuffix: '[Please answer with Long CoT]' },
    fast: { userSuffix: '[Please answer with Short CoT]' },
  },
  decide: { by: 'control', markers: {} },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n' },
  evidence: 'inferred',
  unverified:
    'The tokens that choose, the tags and the checkpoint are not public; only the long instruction was seen, in a secondary source. Without its tokens the mode is read from the block alone.',
};

export const MARKER_PROTOCOLS: readonly Protocol[] = [
  THINKLESS,
  LHRM,
  KAT_V1,
  KEYE_VL,
  GPT_OSS,
  DRIVE_AGENT_R1,
  ADAPTIVE_DEEP_REASONING,
];
