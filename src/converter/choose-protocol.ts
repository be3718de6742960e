/** Chooses the thinking protocol of a checkpoint. */

import type { Protocol } from '../package/protocol.ts';
import { BUILTIN_PROTOCOLS } from '../package/protocols/builtin-protocols.ts';
import type { Architecture } from './checkpoint/tensor-names.ts';
import type { ModelConfig } from './config/model-config.ts';
import { ConvertError } from './convert-error.ts';

interface ChosenProtocol {
  readonly protocol: Protocol;
  /** The reason for the choice, unless chat template and architecture agree. */
  readonly notes: readonly string[];
}

const OF_ARCHITECTURE: Readonly<Record<Architecture, string>> = { r4b: 'R-4B', qwen3: 'Qwen3' };

/** Words that identify a family's chat template; the first row whose words all occur decides. */
const OF_TEMPLATE: readonly { readonly words: readonly string[]; readonly name: string }[] = [
  { words: ['<mm:think>'], name: 'MiniMax-M3' },
  { words: ['<seed:think>'], name: 'Seed-OSS' },
  { words: ['<|channel|>analysis<|message|>'], name: 'gpt-oss' },
  { words: ['<think_on>', '<think_off>'], name: 'KAT-V1' },
  { words: ['thinking_mode', '<think>'], name: 'R-4B' },
  { words: ['enable_thinking'], name: 'Qwen3' },
];

/**
 * The requested protocol, or the one that the chat template's words identify, or the architecture's default. Families
 * that differ from Qwen3 only in training (TRAAC, AdaptThink, Thinkless…) must be requested: their files look the same.
 * @throws ConvertError that lists the known protocols
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
