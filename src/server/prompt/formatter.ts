import { join } from 'node:path';
import type { TiledImage } from '../../engine/model-runner.ts';
import type { StartState } from '../../engine/thinking/protocol-grammar.ts';
import type { Manifest } from '../../package/manifest.ts';
import type { ThinkingMode } from '../../package/protocol.ts';
import type { Tool } from '../reply/tool-calls/tool.ts';
import { ChatInputError } from './chat-input-error.ts';
import { ImageFetcher } from './images/fetch.ts';
import { isPublicAddress } from './images/lookup.ts';
import { MediaFolder } from './images/media-folder.ts';
import { TileCache } from './images/tile-cache.ts';
import { TilingPool } from './images/tiling-pool.ts';
import { type ChatMessage, type ImagePart, imagesOf } from './messages.ts';
import type { EffortRow } from './mode-row.ts';
import { PromptWriter, repeatPlaceholders } from './prompt.ts';
import { loadChatTemplate } from './template.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer.ts';

export interface ImageLimits {
  /** Most pictures in one request. */
  readonly maxImages: number;
  /** Most bytes of one picture as it arrives. */
  readonly maxBytes: number;
  /** Most pixels (width x height) of one picture. */
  readonly maxPixels: number;
  /** Milliseconds a download may take, redirects included, and decoding after it. */
  readonly timeoutMs: number;
  /** Lets picture URLs lead to loopback and private addresses. */
  readonly allowPrivateAddresses: boolean;
  /** Hosts pictures may come from, `*.example.com` for all below one; null allows all. */
  readonly domains: readonly string[] | null;
  /** Folder that file: URLs lead to; null refuses them. */
  readonly folder: string | null;
  /** Most tiles, beside the base tile, of pictures whose detail is `auto`; null sets no limit. */
  readonly autoTiles: number | null;
  /** Threads that decode and tile. */
  readonly numThreads: number;
}

export const DEFAULT_IMAGE_LIMITS: ImageLimits = {
  maxImages: 16,
  maxBytes: 20 * 1024 * 1024,
  maxPixels: 50_000_000,
  timeoutMs: 10_000,
  allowPrivateAddresses: false,
  domains: null,
  folder: null,
  autoTiles: null,
  numThreads: 1,
};

export interface ChatFormatterOptions {
  /** Folder of the model package. */
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly images?: Partial<ImageLimits> | undefined;
  /** Most prompt tokens; what exceeds it is refused. Default: all of the model's positions but one. */
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
  /** The pictures of these very messages, where they were loaded before. */
  readonly images?: readonly TiledImage[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A conversation as the engine takes it. */
export interface FormattedPrompt {
  /** Every picture's placeholder repeated `numTokens` times. */
  readonly promptTokenIds: Int32Array;
  /** Pictures in prompt order. */
  readonly images: readonly TiledImage[];
  readonly start: StartState;
  /** Prompt tokens that stand for pictures. */
  readonly imageTokens: number;
}

export interface ChatFormatter {
  /**
   * Renders the messages, fetches and tiles their pictures.
   * @throws ChatInputError for everything the caller can mend
   */
  format(request: FormatRequest): Promise<FormattedPrompt>;
  readonly tokenizer: Tokenizer;
  /** Ends the picture threads and connections. */
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
  const pictures = await createPictures(manifest, { ...DEFAULT_IMAGE_LIMITS, ...options.images });
  return {
    tokenizer,
    close: () => pictures.close(),
    async format({ messages, mode, images: loaded, signal, ...rest }) {
      pictures.check(messages);
      const { effort = null, budget = null, continueFinal = false, tools = [] } = rest;
      const options = { effort, budget, continueFinal, tools };
      const { tokenIds, start } = writer.write(messages, mode, options);
      checkLength(tokenIds.length, maxPromptTokens);
      const images = loaded ?? (await pictures.load(messages, signal));
      const counts = images.map(({ numTokens }) => numTokens);
      const promptTokenIds = repeatPlaceholders(tokenIds, manifest.tokens.image, counts);
      checkLength(promptTokenIds.length, maxPromptTokens);
      const imageTokens = counts.reduce((sum, count) => sum + count, 0);
      return { promptTokenIds, images, start, imageTokens };
    },
  };
}

/** Tiles kept for pictures that come again: R-4B's largest have ten of 0.44 MB. */
const TILE_CACHE_BYTES = 64 * 2 ** 20;

interface Pictures {
  /** @throws ChatInputError when there are more pictures than the model or the server takes */
  check(messages: readonly ChatMessage[]): void;
  load(messages: readonly ChatMessage[], signal?: AbortSignal): Promise<TiledImage[]>;
  close(): Promise<void>;
}

async function createPictures({ name, vision }: Manifest, limits: ImageLimits): Promise<Pictures> {
  if (vision === null) return noPictures(name);
  const isAllowed = limits.allowPrivateAddresses ? () => true : isPublicAddress;
  const folder =
    limits.folder === null ? null : await MediaFolder.open(limits.folder, limits.maxBytes);
  const fetcher = new ImageFetcher({ ...limits, folder, isAllowed });
  const { maxPixels, timeoutMs } = limits;
  const pool = new TilingPool({ shape: vision, maxPixels, timeoutMs }, limits.numThreads);
  const tiler = new TileCache(pool, TILE_CACHE_BYTES);
  const maxTiles = { low: 0, auto: limits.autoTiles, high: null };
  const loadOne = async (part: ImagePart, param: string, signal?: AbortSignal) => {
    const bytes = await fetcher.fetch(part.source, param, signal);
    signal?.throwIfAborted();
    return tiler.tile({ bytes, param, maxTiles: maxTiles[part.detail ?? 'auto'] });
  };
  return {
    check(messages) {
      const count = imagesOf(messages).length;
      if (count <= limits.maxImages) return;
      throw new ChatInputError(
        'too_many_images',
        'messages',
        `The request has ${count} pictures; at most ${limits.maxImages} are allowed.`,
      );
    },
    load(messages, signal) {
      const found = imagesOf(messages);
      return Promise.all(found.map(({ part, param }) => loadOne(part, param, signal)));
    },
    async close() {
      await Promise.all([fetcher.close(), pool.close()]);
    },
  };
}

function noPictures(model: string): Pictures {
  return {
    check(messages) {
      const [first] = imagesOf(messages);
      if (first === undefined) return;
      throw new ChatInputError(
        'images_not_supported',
        first.param,
        `The model "${model}" reads text only.`,
      );
    },
    load: () => Promise.resolve([]),
    async close() {},
  };
}

function checkLength(length: number, limit: number): void {
  if (length <= limit) return;
  throw new ChatInputError(
    'context_length_exceeded',
    'messages',
    `The prompt has ${length} tokens; at most ${limit} fit.`,
  );
}
