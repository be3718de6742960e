/** Picks a checkpoint's thinking protocol. */

import type { Protocol } from '../package/protocol.ts';
import { BUILTIN_PROTOCOLS } from '../package/protocols/builtin-protocols.ts';
import type { Architecture } from './checkpoint/tensor-names.ts';
import type { ModelConfig } from './config/model-config.ts';
import { ConvertError } from './convert-error.ts';

interface ChosenProtocol {
  readonly protocol: Protocol;
  /** What speaks for the choice, where it is not the architecture's usual one or nothing else speaks for it. */
  readonly notes: readonly string[];
}

const OF_ARCHITECTURE: Readonly<Record<Architecture, string>> = { r4b: 'R-4B', qwen3: 'Qwen3' };

/** Words of a chat template that no other family's has; the first that fits decides. */
const OF_TEMPLATE: readonly { readonly words: readonly string[]; readonly name: string }[] = [
  { words: ['<mm:think>'], name: 'MiniMax-M3' },
  { words: ['<seed:think>'], name: 'Seed-OSS' },
  { words: ['<|channel|>analysis<|message|>'], name: 'gpt-oss' },
  { words: ['<think_on>', '<think_off>'], name: 'KAT-V1' },
  { words: ['thinking_mode', '<think>'], name: 'R-4B' },
  { words: ['enable_thinking'], name: 'Qwen3' },
];

/**
 * The protocol asked for, or the one the chat template's own words belong to, or the architecture's usual one. Families
 * that differ from Qwen3 in their training alone (TRAAC, AdaptThink, Thinkless…) cannot be told by their files: they
 * must be asked for.
 * @throws ConvertError naming the known protocols
 */
export function chooseProtocol(
  asked: string | undefined,
  { architecture, chatTemplate }: Pick<ModelConfig, 'architecture' | 'chatTemplate'>,
): ChosenProtocol {
  if (asked !== undefined) return { protocol: protocolNamed(asked), notes: [] };
  const usual = OF_ARCHITECTURE[architecture];
  const found = OF_TEMPLATE.find(({ words }) => words.every((word) => chatTemplate.includes(word)));
  if (found === undefined) {
    const note = `The chat template says nothing of thinking modes; the thinking protocol ${usual} is the architecture's usual one.`;
    return { protocol: protocolNamed(usual), notes: [note] };
  }
  const words = found.words.join(' and ');
  const notes =
    found.name === usual
      ? []
      : [`The chat template has ${words}: the thinking protocol is ${found.name}.`];
  return { protocol: protocolNamed(found.name), notes };
}

function protocolNamed(name: string): Protocol {
  const protocol = Object.hasOwn(BUILTIN_PROTOCOLS, name) ? BUILTIN_PROTOCOLS[name] : undefined;
  if (protocol !== undefined) return protocol;
  throw new ConvertError(
    `There is no thinking protocol ${name}; known are ${Object.keys(BUILTIN_PROTOCOLS).join(', ')}.`,
  );
}
