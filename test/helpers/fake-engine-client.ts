import type {
  FinishEvent,
  GenerationEvent,
  GenerationRequest,
  GenerationTiming,
  TokenEvent,
} from '../../src/engine/generation.ts';
import type { Decision } from '../../src/engine/thinking/decision.ts';
import {
  type EngineClient,
  type EngineStatus,
  EngineUnavailableError,
} from '../../src/server/engines/engine-client.ts';
import { ApiError } from '../../src/server/http/errors.ts';

/** What a fake engine does with one request. */
export type Script = (
  request: GenerationRequest,
  signal: AbortSignal,
) => AsyncIterable<GenerationEvent>;

/** Plays a script per request and keeps the requests it was given. */
export class FakeEngineClient implements EngineClient {
  readonly requests: GenerationRequest[] = [];
  readonly limits = { slotCapacity: 256, vocabSize: 300, kvCacheType: 'float32' };
  state: EngineStatus['state'] = 'ready';
  /** Streams that were ended, by themselves or early. */
  numEnded = 0;
  script: Script;

  constructor(script: Script = (request) => scriptedEvents(request)) {
    this.script = script;
  }

  get lastRequest(): GenerationRequest {
    const request = this.requests.at(-1);
    if (request === undefined) throw new Error('The engine was never asked.');
    return request;
  }

  async *generate(
    request: GenerationRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent> {
    this.requests.push(request);
    this.#running.add(request.id);
    try {
      yield* this.script(request, signal);
    } finally {
      this.#running.delete(request.id);
      this.numEnded += 1;
    }
  }

  /** Requests whose answer was asked for at once. */
  readonly answeredNow: string[] = [];
  readonly #running = new Set<string>();

  answerNow(id: string): boolean {
    if (!this.#running.has(id)) return false;
    this.answeredNow.push(id);
    return true;
  }

  engines(): readonly EngineStatus[] {
    return [this.status()];
  }

  status(): EngineStatus {
    return {
      state: this.state,
      numRunning: 2,
      numWaiting: 1,
      numThinking: 1,
      kvCacheUsage: 0.25,
      totals: {
        prefixQueries: 90,
        prefixHits: 60,
        imageQueries: 8,
        imageHits: 5,
        steps: 70,
        stepMs: 1_400,
        decodedTokens: 140,
        prefilledTokens: 30,
        encodedTiles: 12,
        visionMs: 600,
        draftedTokens: 9,
        acceptedTokens: 6,
        preemptions: 2,
        aborted: 4,
      },
      restarts: 3,
      retried: 5,
      residentBytes: 2 ** 30,
    };
  }
}

export interface ScriptOptions {
  readonly reasoning?: readonly string[];
  readonly answer?: readonly string[];
  readonly decision?: Partial<Decision>;
  readonly finish?: Partial<FinishEvent>;
}

/**
 * The events of a plain generation: a decision, tokens of one piece each, a finish. A token's id is the first byte of
 * its text, so that ids and texts cannot be confused.
 */
export async function* scriptedEvents(
  request: GenerationRequest,
  options: ScriptOptions = {},
): AsyncGenerator<GenerationEvent> {
  const requested = request.thinking.requested;
  const thinks = requested !== 'fast';
  const reasoning = options.reasoning ?? (thinks ? ['Let ', 'me ', 'see.'] : []);
  const answer = options.answer ?? ['For', 'ty-', 'two'];
  yield {
    type: 'decision',
    requested,
    mode: thinks ? 'think' : 'fast',
    source: requested === 'auto' ? 'model' : request.thinking.source,
    pThink: requested === 'auto' ? 0.75 : null,
    pThinkBiased: requested === 'auto' ? 0.75 : null,
    residual: requested === 'auto' ? 0.01 : null,
    ...options.decision,
  };
  for (const text of reasoning) yield tokenEvent(text, 'reasoning', request);
  if (reasoning.length > 0) yield closeTag(request);
  for (const text of answer) yield tokenEvent(text, 'answer', request);
  const reasoningTokens = reasoning.length === 0 ? 0 : reasoning.length + 1;
  yield finishEvent(request, {
    thinkingEnd: thinks ? 'natural' : null,
    usage: {
      promptTokens: request.promptTokenIds.length,
      cachedTokens: 2,
      imageTokens: 0,
      completionTokens: reasoningTokens + answer.length,
      reasoningTokens,
      preambleTokens: 0,
    },
    ...options.finish,
  });
}

export function tokenEvent(
  text: string,
  section: TokenEvent['section'],
  request: GenerationRequest,
): TokenEvent {
  const tokenId = text.charCodeAt(0) % 256;
  const wanted = request.topLogprobs;
  return {
    type: 'token',
    tokenId,
    section,
    forced: false,
    pieces: [{ section: section, text }],
    logprob: wanted === null ? null : -0.5,
    topLogprobs: wanted === null ? null : [{ tokenId, logprob: -0.5 }].slice(0, wanted),
  };
}

/** The close tag: a token of the reasoning's section whose text is frame. Id 299 is the one control token. */
function closeTag(request: GenerationRequest): TokenEvent {
  return {
    ...tokenEvent('<', 'reasoning', request),
    tokenId: 299,
    pieces: [{ section: 'delimiter', text: '</think>\n\n' }],
  };
}

const TIMING: GenerationTiming = {
  queueMs: 1,
  visionMs: 2,
  prefillMs: 3,
  firstTokenMs: 4,
  firstAnswerMs: 5,
  thinkingMs: 6,
  decodeMs: 7,
  totalMs: 8,
};

export function finishEvent(
  request: GenerationRequest,
  overrides: Partial<FinishEvent> = {},
): FinishEvent {
  return {
    type: 'finish',
    reason: 'stop',
    stopString: null,
    thinkingEnd: null,
    interventions: { extensions: 0, loopBreaks: 0 },
    budget: { asked: request.thinking.budget, effective: request.thinking.budget },
    pieces: [],
    usage: {
      promptTokens: request.promptTokenIds.length,
      cachedTokens: 0,
      imageTokens: 0,
      completionTokens: 0,
      reasoningTokens: 0,
      preambleTokens: 0,
    },
    timing: TIMING,
    message: null,
    detail: null,
    ...overrides,
  };
}

/** Refuses the first request with 503, the second with 429, both for a hundredth of a second; then plays on. */
export function busyAtFirst(): FakeEngineClient {
  const engine: FakeEngineClient = new FakeEngineClient((request) => {
    if (engine.requests.length === 1) throw new EngineUnavailableError('queue_full', 0.01);
    if (engine.requests.length === 2) {
      throw new ApiError('rate_limit_exceeded', 'Too many.', { retryAfterSeconds: 0.01 });
    }
    return scriptedEvents(request);
  });
  return engine;
}

/** An engine whose every generation fails when all of its answer was written. */
export function failingAtLast(): FakeEngineClient {
  return new FakeEngineClient(async function* (request) {
    for await (const event of scriptedEvents(request)) {
      if (event.type === 'finish') break;
      yield event;
    }
    yield finishEvent(request, { reason: 'error', message: 'The step failed.' });
  });
}

/** Yields the decision and one token, then waits for the abort, which it answers as the engine does. */
export async function* untilAborted(
  request: GenerationRequest,
  signal: AbortSignal,
): AsyncGenerator<GenerationEvent> {
  yield {
    type: 'decision',
    requested: request.thinking.requested,
    mode: 'fast',
    source: 'model',
    pThink: 0.1,
    pThinkBiased: 0.1,
    residual: 0,
  };
  yield tokenEvent('Still', 'answer', request);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const { usage } = finishEvent(request);
  yield finishEvent(request, { reason: 'abort', usage: { ...usage, completionTokens: 1 } });
}
