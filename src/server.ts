import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createChatFormatter } from './chat/formatter.ts';
import type { Tokenizer } from './chat/tokenizer.ts';
import type { ServeOptions } from './cli/serve-options.ts';
import { buildApp } from './http/app.ts';
import type { Manifest } from './model-package/manifest.ts';
import type { Protocol } from './model-package/protocol.ts';
import { readPackage } from './model-package/read-package.ts';
import { Metrics } from './observability/metrics.ts';
import { createRequestLog } from './observability/request-log.ts';
import { EngineProcessClient } from './process/engine-process-client.ts';
import type { EngineSettings } from './process/messages.ts';
import type { ProtocolTokens } from './thinking/controller.ts';

/** Slots get no more positions than this unless the operator asks: most requests are far shorter. */
const DEFAULT_MAX_CONTEXT = 16_384;

export interface RunningServer {
  /** Where it listens, with the port it really got. */
  readonly url: string;
  readonly modelId: string;
  readonly packageDir: string;
  /** Refuses new requests, lets the running ones finish, then ends the engine. */
  close(): Promise<void>;
}

/**
 * Puts the rooms together: package, chat room, engine process, HTTP surface. HTTP listens before the model is loaded
 * (`/ready` says so); this returns when it is.
 * @throws Error with one sentence when the package, the port or the model cannot be used.
 */
export async function startServer(
  packageDir: string,
  options: ServeOptions,
): Promise<RunningServer> {
  const { manifest } = await readPackage(packageDir, { verify: options.verify });
  const settings = engineSettings(manifest, options);
  const formatter = await createChatFormatter({
    packageDir,
    manifest,
    images: { allowPrivateAddresses: options.allowPrivateImages },
    maxPromptTokens: settings.slotCapacity - 1,
  });
  const { tokenizer } = formatter;
  const tokenTable = tokenizer.tokenTable(manifest.text.vocabSize);
  const version = await packageVersion();
  const requestLog = createRequestLog(options.logLevel);
  const engine = new EngineProcessClient({
    load: {
      packageDir,
      manifest,
      settings,
      tokenTable,
      silentIds: silentIds(manifest.thinking, tokenizer),
      protocolTokens: protocolTokens(manifest.thinking, tokenizer),
    },
    maxWaiting: options.maxQueue,
    log: (level, message) => requestLog.note(level, message),
  });
  const modelId = options.name ?? manifest.name;
  const app = await buildApp({
    model: {
      id: modelId,
      manifest,
      formatter,
      tokenTable,
      specialIds: tokenizer.specialIds,
      engine,
    },
    metrics: new Metrics(() => engine.status(), {
      version,
      model: modelId,
      precision: manifest.precision,
    }),
    requestLog,
    version,
    settings: {
      bodyLimitBytes: Math.round(options.bodyLimitMb * 1024 * 1024),
      defaultMaxTokens: options.maxTokens ?? null,
    },
  });
  const close = async (): Promise<void> => {
    await app.close();
    await Promise.all([engine.close(), formatter.close()]);
  };
  try {
    await app.listen({ host: options.host, port: options.port });
    await engine.whenReady();
  } catch (error) {
    await close();
    throw error;
  }
  return { url: urlOf(app.server.address() as AddressInfo), modelId, packageDir, close };
}

function engineSettings(manifest: Manifest, options: ServeOptions): EngineSettings {
  const { maxPositions } = manifest.text;
  const context = options.context ?? Math.min(maxPositions, DEFAULT_MAX_CONTEXT);
  if (context > maxPositions) {
    throw new Error(
      `--context ${context} is more than the ${maxPositions} positions of the model.`,
    );
  }
  return {
    backend: options.backend,
    numThreads: options.threads,
    numSlots: options.slots,
    slotCapacity: context,
    prefillChunk: options.prefillChunk,
    tilesPerStep: 1,
    reuse: {
      prefixes: options.prefixCache,
      featureBytes: Math.round(options.featureCacheMb * 1024 * 1024),
    },
  };
}

/** A protocol's strings in the model's own token ids. A probe only exists where its strings are single tokens. */
function protocolTokens({ decide, budget }: Protocol, tokenizer: Tokenizer): ProtocolTokens {
  const exit = tokenizer.encode(budget.exit);
  if (decide.by !== 'empty-block' || decide.probe === undefined) return { probe: null, exit };
  const idsOf = (texts: readonly string[]): number[] =>
    texts.map((text) => tokenizer.encode(text)).flatMap((ids) => (ids.length === 1 ? ids : []));
  const probe = { think: idsOf(decide.probe.think), fast: idsOf(decide.probe.fast) };
  return { probe: probe.think.length > 0 && probe.fast.length > 0 ? probe : null, exit };
}

/** Special tokens write no text, but a protocol's tags must be seen however the tokenizer marks them. */
function silentIds({ tags }: Protocol, tokenizer: Tokenizer): number[] {
  const seen = new Set([...tokenizer.encode(tags.open), ...tokenizer.encode(tags.close)]);
  return [...tokenizer.specialIds].filter((id) => !seen.has(id));
}

async function packageVersion(): Promise<string> {
  const file = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
  return version;
}

function urlOf({ address, port, family }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
