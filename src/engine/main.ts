import { GrammarService } from './constrained/grammar-service.ts';
import { Engine } from './engine.ts';
import type { FromEngine, LoadMessage, ToEngine } from './messages.ts';
import { openBackend } from './runtime/backend.ts';
import { openModelRunner } from './runtime/onnx-model-runner.ts';
import { ReceivedTiles, SENT_TILE_BYTES } from './sent-tiles.ts';

const MEMORY_INTERVAL_MS = 1_000;

/*
 * Entry point of the engine process. It loads one model on one device and serves the server process that started it.
 * Native code runs in this process, so that a crash does not stop the HTTP server.
 */

function send(message: FromEngine): void {
  // After the server process is gone a message fails: `disconnect` ends this process.
  process.send?.(message, undefined, undefined, () => undefined);
}

let engine: Engine | undefined;
const tiles = new ReceivedTiles(SENT_TILE_BYTES);

/** Read at intervals: the value comes from a file of the kernel, and a step may take less than a millisecond. */
let residentBytes = 0;
function readMemory(): void {
  residentBytes = process.memoryUsage.rss();
}
setInterval(readMemory, MEMORY_INTERVAL_MS).unref();

async function load(message: LoadMessage): Promise<void> {
  const { manifest, settings, protocolTokens } = message;
  const opened = await openBackend(settings.backend, settings.device);
  const { backend } = opened;
  const runner = await openModelRunner({
    packageDir: message.packageDir,
    manifest,
    backend,
    numThreads: settings.numThreads,
    numSlots: settings.numSlots,
    slotCapacity: settings.slotCapacity,
    prefillGraph: settings.prefillGraph,
    kvCache: settings.kvCache,
  });
  const { tokenTable, silentIds } = message;
  const grammars = new GrammarService({ tokenTable, silentIds, eos: manifest.tokens.eos });
  const created = new Engine({
    runner,
    protocol: manifest.thinking,
    tokens: protocolTokens,
    tokenBytes: tokenReader(message),
    eos: new Set(manifest.tokens.eos),
    imageTokenId: manifest.tokens.image,
    limits: settings,
    reuse: settings.reuse,
    speculates: settings.speculates,
    openConstraint: (request) => grammars.open(request),
    now: () => performance.now(),
    emit: (events) => send({ type: 'events', events, counts: created.counts(), residentBytes }),
  });
  engine = created;
  readMemory();
  send({
    type: 'ready',
    limits: runner.limits,
    backend: backend.name,
    runtimeVersion: backend.version,
    device: backend.device?.description ?? 'the CPU',
    deviceReason: opened.deviceReason ?? null,
    fallbackReason: opened.fallbackReason ?? null,
  });
}

function tokenReader({ tokenTable, silentIds }: LoadMessage): (tokenId: number) => Uint8Array {
  const { bytes, offsets } = tokenTable;
  const silent = new Set(silentIds);
  const nothing = new Uint8Array(0);
  return (tokenId) =>
    silent.has(tokenId)
      ? nothing
      : bytes.subarray(offsets[tokenId] ?? 0, offsets[tokenId + 1] ?? 0);
}

function receive(message: ToEngine): void {
  switch (message.type) {
    case 'load':
      load(message).catch((error: unknown) => {
        send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
      });
      return;
    case 'submit': {
      const request = tiles.putBack(message.request);
      engine?.submit(request);
      return;
    }
    case 'abort':
      engine?.abort(message.id);
      return;
    case 'answer-now':
      engine?.answerNow(message.id);
  }
}

process.on('message', receive);
// The server ends the engine. Ctrl-C reaches the whole process group, but running requests must be able to finish.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('disconnect', () => process.exit(0));
