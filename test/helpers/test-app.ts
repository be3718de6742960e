import type { FastifyInstance } from 'fastify';
import type { TiledImage } from '../../src/engine/model-runner.ts';
import type { ThinkingProfile } from '../../src/package/profile.ts';
import { buildTokenTable } from '../../src/package/token-table.ts';
import { type AppOptions, buildApp } from '../../src/server/http/app.ts';
import type { ServedModel } from '../../src/server/http/served-model.ts';
import { ChatInputError } from '../../src/server/prompt/chat-input-error.ts';
import type { FormatRequest } from '../../src/server/prompt/formatter.ts';
import { type ChatMessage, type ContentPart, imagesOf } from '../../src/server/prompt/messages.ts';
import { DEFAULT_HTTP_SETTINGS } from '../../src/server/settings/http-settings.ts';
import { Metrics } from '../../src/server/telemetry/metrics.ts';
import type { RequestLogEntry } from '../../src/server/telemetry/request-log.ts';
import { FakeEngineClient } from './fake-engine-client.ts';

const PROTOCOL: ServedModel['manifest']['thinking'] = {
  name: 'test',
  tags: { open: '<think>', close: '</think>' },
  defaultMode: 'auto',
  modes: { auto: {}, think: { sampling: { temperature: 0.6 } }, fast: {} },
  decide: { by: 'empty-block', probe: { think: ['\n'], fast: ['\n\n'] } },
  history: { thinking: 'drop' },
  budget: { exit: '\n</think>\n\n', extension: 'Wait' },
  evidence: 'seen',
};

export const TEST_PROFILE: ThinkingProfile = {
  threshold: 0.8,
  goal: { kind: 'min-gain', value: 0.5 },
  dataset: { name: 'questions.jsonl', sha256: '0'.repeat(64) },
  heldOut: {
    numQuestions: 100,
    accuracy: { value: 0.9, low: 0.83, high: 0.95 },
    meanTokens: { value: 12, low: 10, high: 14 },
    tokensShare: { value: 0.4, low: 0.3, high: 0.5 },
    thinkingRate: { value: 0.3, low: 0.2, high: 0.4 },
  },
};

export const TEST_MANIFEST: ServedModel['manifest'] = {
  name: 'test-model',
  precision: 'fp32',
  tokens: { image: 298, eos: [297] },
  chat: {
    template: 'chat_template.jinja',
    contentFormat: 'parts',
    imagePlaceholder: '<image>',
    toolCalls: 'hermes',
  },
  sampling: { temperature: 0.2, topP: 0.9, topK: 20, repetitionPenalty: 1.1 },
  thinking: PROTOCOL,
  profiles: { economy: TEST_PROFILE },
  vision: {
    tileSize: 32,
    patchSize: 16,
    patchesPerSide: 2,
    numLayers: 1,
    hiddenSize: 8,
    gridPinpoints: [[32, 32]],
    resample: 'bicubic',
  },
};

/** One prompt token per character of text; an image takes four tokens. Keeps what it was given. */
export class FakeFormatter {
  readonly calls: FormatRequest[] = [];

  async format(input: FormatRequest) {
    this.calls.push(input);
    const parts = input.messages.flatMap(partsOf);
    const images = imagesOf(input.messages).map(({ part, param }) => tile(part.source, param));
    const text = parts.map((part) => (part.type === 'text' ? part.text : '#'.repeat(4))).join('');
    const promptTokenIds = Int32Array.from(text, (character) => character.charCodeAt(0) % 256);
    return {
      promptTokenIds,
      images: input.images ?? images,
      start: 'block-start' as const,
      imageTokens: images.length * 4,
    };
  }
}

function partsOf({ content }: ChatMessage): readonly ContentPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

function tile(source: string, param: string): TiledImage {
  if (!source.startsWith('data:')) {
    throw new ChatInputError('invalid_image_url', param, 'The URL is not valid.');
  }
  return {
    hash: source,
    tiles: new Uint8Array(0),
    numTiles: 1,
    gridRows: 0,
    gridColumns: 0,
    originalHeight: 1,
    originalWidth: 1,
    numTokens: 4,
  };
}

/** As the formatter: one token per character, 299 the control token. */
export const TEST_TOKENIZER: ServedModel['tokenizer'] = {
  encode: (text) =>
    text
      .split(/(<\/think>)/)
      .flatMap((part) => (part === '</think>' ? [299] : [...part].map(byteOf))),
  decode: (tokenIds) => [...tokenIds].map(spell).join(''),
  spelling: spell,
};

function byteOf(character: string): number {
  return character.charCodeAt(0) % 256;
}

function spell(tokenId: number): string {
  return tokenId === 299 ? '</think>' : String.fromCharCode(tokenId);
}

/** Token i is the byte i; 299 is a control token. */
export const TEST_TOKENS: Pick<ServedModel, 'tokenTable' | 'specialIds'> = {
  tokenTable: byteTable(),
  specialIds: new Set([299]),
};

function byteTable(): ServedModel['tokenTable'] {
  const added = [{ id: 299, content: '</think>' }];
  const table = buildTokenTable({ vocab: new Map(), added, size: 300 });
  const bytes = new Uint8Array(256 + table.bytes.length);
  bytes.set(Uint8Array.from({ length: 256 }, (_, byte) => byte));
  bytes.set(table.bytes, 256);
  const offsets = Uint32Array.from({ length: 301 }, (_, id) => Math.min(id, 256));
  offsets[300] = bytes.length;
  return { bytes, offsets };
}

export interface TestApp {
  readonly app: FastifyInstance;
  readonly engine: FakeEngineClient;
  readonly formatter: FakeFormatter;
  readonly metrics: Metrics;
  readonly log: RequestLogEntry[];
  readonly failures: unknown[];
}

export interface TestAppOptions {
  readonly engine?: FakeEngineClient;
  readonly settings?: Partial<AppOptions['settings']>;
  readonly manifest?: Partial<ServedModel['manifest']>;
  readonly beforeRoutes?: AppOptions['beforeRoutes'];
  readonly openapiFile?: string;
  readonly tracer?: AppOptions['tracer'];
}

/** The real app over a fake engine and a fake chat room; not listening. */
export async function buildTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const engine = options.engine ?? new FakeEngineClient();
  const formatter = new FakeFormatter();
  const metrics = new Metrics(() => [engine.status()], {
    version: '1.2.3',
    model: 'test-model',
    precision: 'fp32',
    holdoutShare: options.settings?.holdout?.share ?? null,
  });
  const log: RequestLogEntry[] = [];
  const failures: unknown[] = [];
  const app = await buildApp({
    model: {
      id: 'test-model',
      manifest: { ...TEST_MANIFEST, ...options.manifest },
      formatter,
      tokenizer: TEST_TOKENIZER,
      engine,
      exitTokens: 3,
      ...TEST_TOKENS,
    },
    metrics,
    requestLog: {
      write: (entry) => log.push(entry),
      failure: (_requestId, cause) => failures.push(cause),
      note: () => undefined,
    },
    version: '1.2.3',
    settings: { ...DEFAULT_HTTP_SETTINGS, ...options.settings },
    ...(options.tracer && { tracer: options.tracer }),
    ...(options.openapiFile && { openapiFile: options.openapiFile }),
    ...(options.beforeRoutes && { beforeRoutes: options.beforeRoutes }),
  });
  return { app, engine, formatter, metrics, log, failures };
}

/** A body that is answered; tests change one field of it. */
export function chatBody(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return { model: 'test-model', messages: [{ role: 'user', content: 'Hello' }], ...overrides };
}

export function postChat(app: FastifyInstance, overrides: Record<string, unknown> = {}) {
  return app.inject({ method: 'POST', url: '/v1/chat/completions', payload: chatBody(overrides) });
}

/** The parsed `data:` payloads of an event stream; the terminator stays a string. */
export function parseEvents(body: string): unknown[] {
  return body
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice('data: '.length))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
}
