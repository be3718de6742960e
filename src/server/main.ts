import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import { resolveConfig, type ServerConfig } from '../config/config.ts';
import { packageVersion } from '../config/version.ts';
import type { LoadMessage } from '../engine/messages.ts';
import { protocolTokens, silentIds } from '../engine/thinking/protocol-tokens.ts';
import type { Protocol } from '../package/protocol.ts';
import { readPackage } from '../package/read-package.ts';
import { startEngines } from './engines/start-engines.ts';
import { buildApp } from './http/app.ts';
import { createChatFormatter } from './prompt/formatter.ts';
import { imageLimits } from './prompt/images/image-loader.ts';
import type { Tokenizer } from './prompt/tokenizer.ts';
import { readAccess, readTls } from './settings/access-settings.ts';
import { checkKvCache, engineCount, engineSettings } from './settings/engine-settings.ts';
import { httpSettings } from './settings/http-settings.ts';
import { openRecorders } from './settings/recorders.ts';
import { checkedPolicy } from './settings/thinking-settings.ts';
import { Metrics } from './telemetry/metrics.ts';

/** Beside the compiled files, which lie two folders below it. */
const OPENAPI_FILE = new URL('../../../openapi/openapi.json', import.meta.url);

export interface RunningServer {
  /** Base URL, with the port that the server listens on. */
  readonly url: string;
  readonly modelId: string;
  readonly packageDir: string;
  /** Whether requests need an API key. */
  readonly needsKey: boolean;
  readonly numEngines: number;
  /**
   * Rejects new requests, lets the running ones finish, then ends the engine processes. Requests that still run after
   * the drain timeout end with an error.
   * @returns whether every request finished
   */
  close(): Promise<boolean>;
}

/**
 * Starts a server: package, prompts, engine processes, HTTP. HTTP listens before the model is loaded (`/ready` reports
 * it); the promise resolves when every engine process has loaded the model.
 * @throws Error with one sentence when an option, the package, the port or the model cannot be used
 */
export async function startServer(config: ServerConfig): Promise<RunningServer> {
  const packageDir = config.package;
  const resolved = resolveConfig(config);
  const [access, tls] = [await readAccess(resolved), await readTls(resolved.http)];
  const { manifest } = await readPackage(packageDir, { verify: resolved.engine.verify });
  checkKvCache(resolved.engine.kvCacheDtype, manifest, packageDir);
  const settings = engineSettings(resolved.engine, manifest);
  const thinking = checkedPolicy(resolved.thinking, manifest);
  const http = httpSettings(resolved, { access, tls, thinking });
  const formatter = await createChatFormatter({
    packageDir,
    manifest,
    images: imageLimits(resolved.images),
    maxPromptTokens: settings.slotCapacity - 1,
  });
  const version = packageVersion();
  const recorders = openRecorders(resolved, version);
  const { requestLog } = recorders;
  const load = engineLoad({ packageDir, manifest, settings }, formatter.tokenizer);
  const engine = startEngines({
    ...engineCount(resolved.engine),
    load,
    maxWaiting: resolved.engine.maxQueue,
    log: (level, message) => requestLog.note(level, message),
  });
  noteUnverified(manifest.thinking, (message) => requestLog.note('warn', message));
  const modelId = resolved.http.servedModelName ?? manifest.name;
  const { tokenizer } = formatter;
  const app = await buildApp({
    model: {
      id: modelId,
      manifest,
      formatter,
      tokenizer,
      tokenTable: load.tokenTable,
      specialIds: tokenizer.specialIds,
      exitTokens: tokenizer.encode(manifest.thinking.budget.exit).length,
      engine,
    },
    metrics: new Metrics(() => engine.engines(), {
      version,
      model: modelId,
      precision: manifest.precision,
      holdoutShare: resolved.thinking.holdoutShare,
    }),
    requestLog,
    tracer: recorders.tracer,
    version,
    openapiFile: fileURLToPath(OPENAPI_FILE),
    settings: http,
  });
  const close = async (): Promise<boolean> => {
    const isComplete = await drain(app, http, () => {
      requestLog.note('warn', 'the time to drain is over; ending the requests that still run');
      void engine.close();
    });
    await Promise.all([engine.close(), formatter.close()]);
    await recorders.close();
    return isComplete;
  };
  try {
    await app.listen({ host: resolved.http.host, port: resolved.http.port });
    await engine.whenReady();
  } catch (error) {
    await close();
    throw error;
  }
  const url = urlOf(app.server.address() as AddressInfo, tls === null ? 'http' : 'https');
  const numEngines = engine.engines().length;
  return { url, modelId, packageDir, needsKey: !access.keys.isEmpty, numEngines, close };
}

/** Everything an engine process needs to know about the model and its text. */
function engineLoad(
  { packageDir, manifest, settings }: Pick<LoadMessage, 'packageDir' | 'manifest' | 'settings'>,
  tokenizer: Tokenizer,
): Omit<LoadMessage, 'type'> {
  return {
    packageDir,
    manifest,
    settings,
    tokenTable: tokenizer.tokenTable(manifest.text.vocabSize),
    silentIds: silentIds(manifest.thinking, tokenizer, manifest.tokens.eos),
    protocolTokens: protocolTokens(manifest.thinking, (text) => tokenizer.encode(text)),
  };
}

/**
 * Stops taking requests and waits for the running ones.
 * @param onDeadline ends the requests that still run
 * @returns whether every request finished before the deadline
 */
async function drain(
  app: FastifyInstance,
  { drainMs }: { readonly drainMs: number },
  onDeadline: () => void,
): Promise<boolean> {
  let isComplete = true;
  const deadline = setTimeout(() => {
    isComplete = false;
    onDeadline();
  }, drainMs);
  await app.close();
  clearTimeout(deadline);
  return isComplete;
}

/** Warns about the parts of a thinking protocol that no primary source confirms. */
function noteUnverified({ name, unverified }: Protocol, warn: (message: string) => void): void {
  if (unverified !== undefined) {
    warn(`the thinking protocol ${name} is not verified in full: ${unverified}`);
  }
}

function urlOf({ address, port, family }: AddressInfo, scheme: 'http' | 'https'): string {
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
