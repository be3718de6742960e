import { join } from 'node:path';
import { DEFAULTS } from '../../config/config.ts';
import type { TiledImage } from '../../engine/model-runner.ts';
import type { StartState } from '../../engine/thinking/protocol-grammar.ts';
import type { Manifest } from '../../package/manifest.ts';
import type { ThinkingMode } from '../../package/protocol.ts';
import type { Tool } from '../reply/tool-calls/tool.ts';
import { ChatInputError } from './chat-input-error.ts';
import { createImageLoader, type ImageLimits, imageLimits } from './images/image-loader.ts';
import { CHAT_CONVERSATION_FIELDS, type ChatMessage, type ConversationFields } from './messages.ts';
import type { EffortRow } from './modes.ts';
import { PromptWriter, repeatPlaceholders } from './prompt.ts';
import { loadChatTemplate } from './template.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer.ts';

export interface ChatFormatterOptions {
  /** Folder of the model package. */
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly images?: Partial<ImageLimits> | undefined;
  /** Most prompt tokens; by default all positions of the model but one. */
  readonly maxPromptTokens?: number | undefined;
}

export interface FormatRequest {
  readonly messages: readonly ChatMessage[];
  readonly mode: ThinkingMode;
  /** Degree of thinking, where the family knows some by name. */
  readonly effort?: EffortRow | null | undefined;
  /** Most thinking tokens, for families that read it in the prompt. */
  readonly budget?: number | null | undefined;
  /** The last message is the beginning of the reply. */
  readonly continueFinal?: boolean | undefined;
  /** What the model may call. */
  readonly tools?: readonly Tool[] | undefined;
  /** The images of these very messages, where they were loaded before. */
  readonly images?: readonly TiledImage[] | undefined;
  /** What the caller's API calls the conversation; by default the names of the chat completions API. */
  readonly fields?: ConversationFields | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A conversation as the engine takes it. */
export interface FormattedPrompt {
  /** Every image's placeholder repeated `numTokens` times. */
  readonly promptTokenIds: Int32Array;
  /** Images in prompt order. */
  readonly images: readonly TiledImage[];
  readonly start: StartState;
  /** Prompt tokens that stand for images. */
  readonly imageTokens: number;
}

export interface ChatFormatter {
  /**
   * Renders the messages, fetches and tiles their images.
   * @throws ChatInputError for everything that the caller can fix
   */
  format(request: FormatRequest): Promise<FormattedPrompt>;
  readonly tokenizer: Tokenizer;
  /** Ends the image threads and connections. */
  close(): Promise<void>;
}

/**
 * Reads a package's tokenizer and chat template.
 * @throws Error naming the file that cannot be used
 */
export async function createChatFormatter(options: ChatFormatterOptions): Promise<ChatFormatter> {
  const { packageDir, manifest } = options;
  const tokenizer = await loadTokenizer(join(packageDir, manifest.tokenizer));
  const eosToken = tokenizer.decode(manifest.tokens.eos.slice(0, 1));
  const template = await loadChatTemplate(join(packageDir, manifest.chat.template), {
    bos_token: '',
    eos_token: eosToken,
  });
  const writer = new PromptWriter({ tokenizer, template, manifest });
  const maxPromptTokens = options.maxPromptTokens ?? manifest.text.maxPositions - 1;
  const loader = await createImageLoader(manifest, {
    ...imageLimits(DEFAULTS.images),
    ...options.images,
  });
  return {
    tokenizer,
    close: () => loader.close(),
    async format({ messages, mode, images: loaded, signal, ...rest }) {
      const { effort = null, budget = null, continueFinal = false, tools = [] } = rest;
      const { fields = CHAT_CONVERSATION_FIELDS } = rest;
      loader.check(messages, fields.messages);
      const written = writer.write(messages, mode, {
        effort,
        budget,
        continueFinal,
        tools,
        fields,
      });
      const { tokenIds, start } = written;
      checkLength(tokenIds.length, maxPromptTokens, fields);
      const images = loaded ?? (await loader.load(messages, signal));
      const counts = images.map(({ numTokens }) => numTokens);
      const { image } = manifest.tokens;
      const promptTokenIds = repeatPlaceholders(tokenIds, image, counts, fields.messages);
      checkLength(promptTokenIds.length, maxPromptTokens, fields);
      const imageTokens = counts.reduce((sum, count) => sum + count, 0);
      return { promptTokenIds, images, start, imageTokens };
    },
  };
}

function checkLength(length: number, limit: number, { messages }: ConversationFields): void {
  if (length <= limit) return;
  throw new ChatInputError(
    'context_length_exceeded',
    messages,
    `The prompt has ${length} tokens; at most ${limit} fit.`,
  );
}
