import type { TiledImage } from '../../../engine/model-runner.ts';
import { hasDecisionPoint, protocolTokens } from '../../../engine/thinking/protocol-tokens.ts';
import type { Manifest } from '../../../package/manifest.ts';
import { ChatInputError } from '../../../server/prompt/chat-input-error.ts';
import type { ChatFormatter } from '../../../server/prompt/formatter.ts';
import type { ChatMessage } from '../../../server/prompt/messages.ts';
import type { Tokenizer } from '../../../server/prompt/tokenizer.ts';
import type { ReplayPrompt, ReplayReader } from './prompt-replay.ts';

/** A conversation for calibration or measurement. */
export interface CalibrationPrompt {
  /** Name in the report. */
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  /** Images that are already tiled, so none is fetched. */
  readonly images?: readonly TiledImage[] | undefined;
}

export interface WrittenPrompt {
  readonly name: string;
  readonly prompt: ReplayPrompt;
}

/**
 * Renders every conversation as the server does, in auto mode if the protocol has a decision point.
 * @throws Error that names the prompt that cannot be rendered
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

/** @returns how the model's decision is read from its logits */
export function readerOf({ thinking }: Manifest, tokenizer: Tokenizer): ReplayReader {
  const { probe } = protocolTokens(thinking, (text) => tokenizer.encode(text));
  return { probe, isBlank: (tokenId) => tokenizer.decode([tokenId]).trim() === '' };
}
