import type { TiledImage } from '../../../engine/model-runner.ts';
import { hasDecisionPoint, protocolTokens } from '../../../engine/thinking/protocol-tokens.ts';
import type { Manifest } from '../../../package/manifest.ts';
import { ChatInputError } from '../../../server/prompt/chat-input-error.ts';
import type { ChatFormatter } from '../../../server/prompt/formatter.ts';
import type { ChatMessage } from '../../../server/prompt/messages.ts';
import type { Tokenizer } from '../../../server/prompt/tokenizer.ts';
import type { ReplayPrompt, ReplayReader } from './prompt-replay.ts';

/** A conversation to calibrate or measure on. */
export interface CalibrationPrompt {
  /** For the report. */
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  /** Its images, where they were not to be fetched. */
  readonly images?: readonly TiledImage[] | undefined;
}

export interface WrittenPrompt {
  readonly name: string;
  readonly prompt: ReplayPrompt;
}

/**
 * Every conversation as the server would write it: in auto mode where the model's choice can be measured.
 * @throws Error naming the prompt that cannot be written
 */
export async function writePrompts(
  prompts: readonly CalibrationPrompt[],
  options: { formatter: ChatFormatter; manifest: Manifest; signal: AbortSignal },
): Promise<WrittenPrompt[]> {
  const { formatter, manifest, signal } = options;
  const { thinking } = manifest;
  const mode = hasDecisionPoint(thinking) ? 'auto' : thinking.defaultMode;
  const written: WrittenPrompt[] = [];
  for (const { name, ...prompt } of prompts) {
    const formatted = await formatter
      .format({ ...prompt, mode, signal })
      .catch((error: unknown) => {
        if (!(error instanceof ChatInputError)) throw error;
        throw new Error(`The prompt "${name}" cannot be used: ${error.message}`, { cause: error });
      });
    written.push({ name, prompt: formatted });
  }
  return written;
}

/** How the model's choice is read from its logits. */
export function readerOf({ thinking }: Manifest, tokenizer: Tokenizer): ReplayReader {
  const { probe } = protocolTokens(thinking, (text) => tokenizer.encode(text));
  return { probe, isBlank: (tokenId) => tokenizer.decode([tokenId]).trim() === '' };
}
