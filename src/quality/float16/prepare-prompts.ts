import { createChatFormatter } from '../../chat/formatter.ts';
import { tileImage } from '../../chat/images/tile.ts';
import type { ContentPart } from '../../chat/messages.ts';
import type { TiledImage } from '../../engine/model-runner.ts';
import type { Manifest } from '../../model-package/manifest.ts';
import type { ThinkingMode } from '../../model-package/protocol.ts';
import type { ProbeTokens } from '../../thinking/probe.ts';
import { hasDecisionPoint, protocolTokens } from '../../thinking/protocol-tokens.ts';
import type { TrialPrompt } from './prompts.ts';

/** A prompt as the decoder takes it. */
export interface PreparedPrompt {
  readonly id: string;
  /** Every picture's placeholder repeated. */
  readonly tokenIds: readonly number[];
  readonly images: readonly TiledImage[];
}

/**
 * Renders prompts as the server would, in auto mode if the model has it.
 * @returns them, and the tokens of the decision they end at; null where tokens show none
 * @throws ChatInputError for a prompt the model refuses, Error for one that is too long
 */
export async function preparePrompts(
  packageDir: string,
  manifest: Manifest,
  prompts: readonly TrialPrompt[],
): Promise<{ prepared: readonly PreparedPrompt[]; probe: ProbeTokens | null }> {
  const formatter = await createChatFormatter({ packageDir, manifest });
  const { modes, defaultMode } = manifest.thinking;
  const mode: ThinkingMode = modes.auto === undefined ? defaultMode : 'auto';
  try {
    const prepared: PreparedPrompt[] = [];
    for (const { id, text, images } of prompts) {
      const pixels = images.filter((image) => typeof image !== 'string');
      const content: ContentPart[] = [
        ...images.map((image): ContentPart => {
          return { type: 'image', source: typeof image === 'string' ? image : 'drawn' };
        }),
        { type: 'text', text },
      ];
      const { vision } = manifest;
      const drawn = vision === null ? [] : pixels.map((image) => tileImage(image, vision));
      const formatted = await formatter.format({
        messages: [{ role: 'user', content }],
        mode,
        images: drawn.length > 0 ? drawn : undefined,
      });
      prepared.push({ id, tokenIds: [...formatted.promptTokenIds], images: formatted.images });
    }
    const { probe } = protocolTokens(manifest.thinking, formatter.tokenizer.encode);
    return { prepared, probe: hasDecisionPoint(manifest.thinking) ? probe : null };
  } finally {
    await formatter.close();
  }
}
