import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import { readTls, toAccess } from '../cli/access-flags.ts';
import { checkKvCache, deviceRequestOf } from '../cli/device-flags.ts';
import { engineCountOf, maxThinkersOf } from '../cli/engine-flags.ts';
import { toImageLimits } from '../cli/image-flags.ts';
import { openLedger } from '../cli/ledger-flags.ts';
import { toLimits } from '../cli/limit-flags.ts';
import type { ServeOptions } from '../cli/serve-options.ts';
import { toThinkingPolicy } from '../cli/thinking-flags.ts';
import { openTracing } from '../cli/tracing-flags.ts';
import { packageVersion } from '../config/version.ts';
import type { EngineSettings, LoadMessage } from '../engine/messages.ts';
import { hasDecisionPoint, protocolTokens, silentIds } from '../engine/thinking/protocol-tokens.ts';
import type { Manifest } from '../package/manifest.ts';
import type { Protocol } from '../package/protocol.ts';
import { readPackage } from '../package/read-package.ts';
import { startEngines } from './engines/start-engines.ts';
import { buildApp } from './http/app.ts';
import { DEFAULT_HTTP_SETTINGS } from './http/settings.ts';
import { createChatFormatter } from './prompt/formatter.ts';
import type { Tokenizer } from './prompt/tokenizer.ts';
import { holdoutProblem, secureRandom } from './request/holdout.ts';
import { policyProblem, type ThinkingPolicy } from './request/thinking-policy.ts';
import { withLedger } from './telemetry/ledger/ledger-log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { createRequestLog, type RequestLog } from './telemetry/request-log.ts';

/** Slots get no more positions than this unless the operator asks: most requests are far shorter. */
const DEFAULT_MAX_CONTEXT = 16_384;

/** Beside the compiled files, which lie two folders below it. */
const OPENAPI_FILE = new URL('../../../openapi/openapi.json', import.meta.url);

export interface RunningServer {
  /** Where it listens, with the port it really got. */
  readonly url: string;
  readonly modelId: string;
  readonly packageDir: string;
  readonly needsKey: boolean;
  readonly numEngines: number;
  /**
   * Refuses new requests, lets the running ones finish, then ends the engine. What still runs after the time given to
   * draining ends with an error.
   * @returns whether everything finished
   */
  close(): Promise<boolean>;
}

/**
 * Puts the rooms together: package, chat room, engine processes, HTTP surface. HTTP listens before the model is
 * loaded (`/ready` says so); this returns when every engine has it.
 * @throws Error with one sentence when the package, the port or the model cannot be used.
 */
export async function startServer(
  packageDir: string,
  options: ServeOptions,
): Promise<RunningServer> {
  const operator = await operatorSettings(options);
  const { manifest } = await readPackage(packageDir, { verify: options.verify });
  checkKvCache(options.kvCache, manifest, packageDir);
  const settings = engineSettings(manifest, options);
  const thinking = thinkingPolicy(manifest, options);
  const formatter = await createChatFormatter({
    packageDir,
    manifest,
    images: toImageLimits(options),
    maxPromptTokens: settings.slotCapacity - 1,
  });
  const { tokenizer } = formatter;
  const load = engineLoad({ packageDir, manifest, settings }, tokenizer);
  const version = packageVersion();
  const { requestLog, closeLog } = openLog(options);
  const tracer = openTracing(options, version, (message) => requestLog.note('warn', message));
  const engine = startEngines({
    ...engineCountOf(options),
    load,
    maxWaiting: options.maxQueue,
    log: (level, message) => requestLog.note(level, message),
  });
  noteUnverified(manifest.thinking, (message) => requestLog.note('warn', message));
  const modelId = options.name ?? manifest.name;
  const { precision } = manifest;
  const { holdoutShare = null } = options;
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
      precision,
      holdoutShare,
    }),
    requestLog,
    tracer,
    version,
    openapiFile: fileURLToPath(OPENAPI_FILE),
    settings: { ...operator, thinking },
  });
  const close = async (): Promise<boolean> => {
    const isComplete = await drain(app, operator, () => {
      requestLog.note('warn', 'the time to drain is over; ending the requests that still run');
      void engine.close();
    });
    await Promise.all([engine.close(), formatter.close()]);
    closeLog();
    await tracer?.close();
    return isComplete;
  };
  try {
    await app.listen({ host: options.host, port: options.port });
    await engine.whenReady();
  } catch (error) {
    await close();
    throw error;
  }
  const url = urlOf(app.server.address() as AddressInfo, operator.tls === null ? 'http' : 'https');
  const needsKey = !operator.access.keys.isEmpty;
  return { url, modelId, packageDir, needsKey, numEngines: engine.engines().length, close };
}

/** All that an engine process has to know of the model, the text side of it included. */
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

/** The log of requests, and the ledger with it where there is one. */
function openLog(options: ServeOptions): { requestLog: RequestLog; closeLog: () => void } {
  const log = createRequestLog(options.logLevel);
  const ledger = openLedger(options);
  return ledger === null
    ? { requestLog: log, closeLog: () => {} }
    : { requestLog: withLedger(log, ledger), closeLog: () => ledger.close() };
}

/** What the operator set of the HTTP surface, apart from the model's part in it. */
async function operatorSettings(options: ServeOptions) {
  const { answerFloor } = DEFAULT_HTTP_SETTINGS;
  return {
    ...toLimits(options),
    access: await toAccess(options, options),
    tls: await readTls(options),
    corsOrigins: options.corsOrigins ?? [],
    defaultMaxTokens: options.maxTokens ?? null,
    defaultTimeoutMs: options.deadline === undefined ? null : options.deadline * 1000,
    answerFloor: { ...answerFloor, tokens: options.answerFloor ?? answerFloor.tokens },
    holdout:
      options.holdoutShare === undefined
        ? null
        : { share: options.holdoutShare, random: secureRandom },
    load:
      options.loadBias === undefined
        ? null
        : {
            maxBias: options.loadBias,
            numSlots: options.slots * engineCountOf(options).numEngines,
          },
  };
}

/**
 * @param onDeadline ends what still runs
 * @returns whether everything finished before the deadline
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
    device: deviceRequestOf(options),
    numThreads: options.threads,
    numSlots: options.slots,
    slotCapacity: context,
    prefillChunk: options.prefillChunk,
    tilesPerStep: 1,
    maxThinkingSeqs: maxThinkersOf(options),
    stallMs: options.maxStallMs,
    speculates: options.speculation,
    prefillGraph: options.prefillGraph,
    kvCache: options.kvCache,
    reuse: {
      prefixes: options.prefixCache,
      featureBytes: Math.round(options.featureCacheMb * 1024 * 1024),
    },
  };
}

/** @throws Error when the operator asks for what the model cannot do */
function thinkingPolicy(
  { thinking: protocol, profiles }: Manifest,
  options: ServeOptions,
): ThinkingPolicy {
  const policy = toThinkingPolicy(options, profiles);
  const problem = policyProblem(policy, protocol);
  if (problem !== null) throw new Error(problem);
  if (options.loadBias !== undefined && !hasDecisionPoint(protocol)) {
    throw new Error(
      `--load-bias: the protocol ${protocol.name} has no decision that can be measured.`,
    );
  }
  const holdout = options.holdoutShare === undefined ? null : holdoutProblem(protocol);
  if (holdout !== null) throw new Error(holdout);
  return policy;
}

/** Says once what of the model's thinking protocol was never seen in a primary source. */
function noteUnverified({ name, unverified }: Protocol, warn: (message: string) => void): void {
  if (unverified !== undefined) {
    warn(`the thinking protocol ${name} is not verified in full: ${unverified}`);
  }
}

function urlOf({ address, port, family }: AddressInfo, scheme: 'http' | 'https'): string {
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
