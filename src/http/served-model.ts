import type { ChatMessage } from '../chat/messages.ts';
import type { TokenTable } from '../chat/token-table.ts';
import type { EngineClient, GenerationRequest } from '../engine/generation.ts';
import type { Manifest } from '../model-package/manifest.ts';
import type { ThinkingMode } from '../model-package/protocol.ts';
import type { StartSection } from '../thinking/decision.ts';

export interface FormattedPrompt {
  readonly promptTokenIds: Int32Array;
  /** Pictures in prompt order, tiled. */
  readonly images: GenerationRequest['images'];
  /** Where generation starts, read from the token ids of the rendered prompt. */
  readonly start: StartSection;
  /** Prompt tokens that stand for pictures. */
  readonly imageTokens: number;
}

export interface ChatFormatter {
  /** @throws ChatInputError for what the client can mend: a bad picture, a message the template refuses. */
  format(input: {
    readonly messages: readonly ChatMessage[];
    readonly mode: ThinkingMode;
    readonly signal: AbortSignal;
  }): Promise<FormattedPrompt>;
}

/** A model behind the HTTP surface: everything a request handler needs, and nothing of tensors. */
export interface ServedModel {
  /** Name clients put in `model`. */
  readonly id: string;
  readonly manifest: Pick<Manifest, 'name' | 'precision' | 'sampling' | 'thinking' | 'vision'>;
  readonly formatter: ChatFormatter;
  /** Bytes of every token, for log-probabilities. */
  readonly tokenTable: TokenTable;
  /** Ids of control tokens, which write no text. */
  readonly specialIds: ReadonlySet<number>;
  readonly engine: EngineClient;
}
