import type { Protocol } from '../model-package/protocol.ts';
import { ThinkingController } from '../thinking/controller.ts';
import type { ProtocolTokens } from '../thinking/protocol-tokens.ts';
import type { Entry } from './entry.ts';
import { FeatureCache } from './feature-cache.ts';
import type {
  EngineCounts,
  FinishEvent,
  FinishReason,
  GenerationEvent,
  GenerationRequest,
} from './generation.ts';
import type { ModelRunner } from './model-runner.ts';
import { type AddressedEvent, Outbox } from './outbox.ts';
import { PromptProcessor } from './prompt-processor.ts';
import { requestProblem } from './request-problem.ts';
import { planStep, type SchedulerLimits, type StepPlan } from './scheduler.ts';
import { Sequence } from './sequence.ts';
import { SequenceClock } from './sequence-clock.ts';
import { SequenceEvents } from './sequence-events.ts';
import { viewOf } from './sequence-view.ts';
import { SlotPool } from './slot-pool.ts';
import { StepMeter } from './step-meter.ts';

export interface EngineOptions {
  readonly runner: ModelRunner;
  readonly protocol: Protocol;
  readonly tokens: ProtocolTokens;
  /** Bytes of a token's text; empty for special tokens. */
  readonly tokenBytes: (tokenId: number) => Uint8Array;
  readonly eos: ReadonlySet<number>;
  readonly imageTokenId: number | null;
  readonly limits: Omit<SchedulerLimits, 'numSlots'>;
  readonly reuse: ReuseOptions;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** All events of one step, in order; none where only `counts` has changed. */
  readonly emit: (events: readonly AddressedEvent[]) => void;
}

/** What of earlier work serves later requests. */
export interface ReuseOptions {
  /** Whether a slot's contents serve prompts that begin alike. */
  readonly prefixes: boolean;
  /** Most bytes of picture features kept. */
  readonly featureBytes: number;
}

/**
 * Runs sequences step by step: plan, decode, one piece of a prompt, events out. A failing step fails only the
 * sequences in it. Works on token ids; knows neither text formats nor tensors' origin.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #waiting: Entry[] = [];
  readonly #running: Entry[] = [];
  readonly #slots: SlotPool;
  readonly #prompts: PromptProcessor;
  readonly #meter = new StepMeter();
  readonly #outbox: Outbox;
  #stepping = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.emit);
    const { runner, reuse, now } = options;
    this.#slots = new SlotPool(runner.limits.numSlots, { reusesPrefixes: reuse.prefixes });
    const features = new FeatureCache(reuse.featureBytes);
    this.#prompts = new PromptProcessor({ runner, slots: this.#slots, features, now });
  }

  /** Takes a request; one that cannot be run ends with an error event instead. */
  submit(request: GenerationRequest): void {
    const { runner, protocol, tokens, tokenBytes, imageTokenId, now } = this.#options;
    const { thinking, maxTokens, minTokens, stop } = request;
    const controller = new ThinkingController({
      protocol,
      tokens,
      request: thinking,
      maxTokens,
      stop,
      ending: {
        endOfTurn: this.#options.eos,
        stopTokenIds: new Set(request.stopTokenIds),
        minTokens,
      },
      greedy: request.sampling.temperature === 0,
      tokenBytes,
    });
    const clock = new SequenceClock(now);
    const entry = {
      sequence: new Sequence(request, controller, imageTokenId),
      events: new SequenceEvents(controller, clock),
      clock,
      abort: new AbortController(),
    };
    this.#waiting.push(entry);
    const problem = requestProblem(request, runner.limits, imageTokenId);
    if (problem !== null) this.#finish(entry, 'error', { message: problem });
    else this.#say(entry, entry.events.decision());
    if (!this.#stepping) void this.#run();
  }

  /** Ends a request within the current step, or within its current chunk while its prompt is processed. */
  abort(id: string): void {
    const entry = [...this.#waiting, ...this.#running].find(({ sequence }) => sequence.id === id);
    if (entry === undefined || entry.abort.signal.aborted) return;
    entry.abort.abort();
    if (entry.sequence.status === 'waiting') {
      this.#finish(entry, 'abort', {});
      this.#outbox.flush();
    }
  }

  /** Ends a request's thinking with its next token. @returns false when there is none to end */
  answerNow(id: string): boolean {
    const entry = [...this.#waiting, ...this.#running].find(({ sequence }) => sequence.id === id);
    return entry?.sequence.thinking.answerNow() ?? false;
  }

  counts(): EngineCounts {
    const { numSlots, slotCapacity } = this.#options.runner.limits;
    const held = this.#running.reduce((sum, { sequence }) => sum + sequence.numCached, 0);
    return {
      numRunning: this.#running.length,
      numWaiting: this.#waiting.length,
      kvCacheUsage: held / (numSlots * slotCapacity),
      totals: { ...this.#prompts.totals, ...this.#meter.totals },
    };
  }

  async #run(): Promise<void> {
    this.#stepping = true;
    try {
      // Requests that arrive together start together.
      await Promise.resolve();
      this.#outbox.flush();
      while (this.#waiting.length + this.#running.length > 0) await this.#stepOrFailAll();
    } finally {
      this.#stepping = false;
    }
  }

  /**
   * Failures of the model are dealt with inside a step. What reaches this place is a fault of the engine's own or of
   * `emit`: no request may wait on it for ever, so all of them end. A second fault on the way out is left to reject,
   * which ends the process instead of leaving it silent.
   */
  async #stepOrFailAll(): Promise<void> {
    try {
      await this.#step();
      this.#outbox.flush();
    } catch (error) {
      for (const entry of [...this.#waiting, ...this.#running]) this.#fail(entry, error);
      this.#outbox.flush();
    }
  }

  async #step(): Promise<void> {
    const { now } = this.#options;
    const started = now();
    this.#dropAborted();
    await this.#preparePrompt();
    const plan = planStep(
      this.#waiting.map(({ sequence }) => ({ id: sequence.id })),
      this.#running.map(({ sequence }) => viewOf(sequence)),
      { ...this.#options.limits, numSlots: this.#options.runner.limits.numSlots },
    );
    for (const id of plan.admit) this.#admit(id);
    await this.#decode(this.#entries(plan.decode));
    this.#outbox.flush();
    await this.#advancePrompt(plan);
    this.#meter.step(now() - started, plan.decode.length);
    // Else the counts travel with the next step's events.
    const { length } = this.#running;
    if (length === 0 || plan.decode.length < length) this.#outbox.countsChanged();
  }

  #admit(id: string): void {
    const index = this.#waiting.findIndex(({ sequence }) => sequence.id === id);
    const [entry] = this.#waiting.splice(index, 1);
    if (entry === undefined) return;
    entry.sequence.slot = this.#slots.claim(entry.sequence.prefix);
    entry.sequence.status = 'running';
    entry.clock.admit();
    this.#running.push(entry);
    this.#outbox.countsChanged();
  }

  async #preparePrompt(): Promise<void> {
    const entry = this.#running.find(({ sequence }) => !sequence.isDecoding);
    if (entry === undefined) return;
    try {
      await this.#prompts.prepare(entry);
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  async #decode(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const rows = entries.map(({ sequence }) => ({
      slot: sequence.slot,
      position: sequence.numCached,
      tokenId: sequence.lastTokenId,
    }));
    try {
      const logits = await this.#options.runner.decode(rows);
      for (const { slot, tokenId } of rows) this.#slots.append(slot, [tokenId]);
      for (const [row, entry] of entries.entries()) this.#appendToken(entry, logits[row]);
    } catch (error) {
      for (const entry of entries) this.#fail(entry, error);
    }
  }

  /** The step's piece of a prompt: some tiles of a picture, or a chunk of tokens. */
  async #advancePrompt(plan: StepPlan): Promise<void> {
    const work = plan.vision ?? plan.prefill;
    if (work === null) return;
    const [entry] = this.#entries([work.id]);
    if (entry === undefined || entry.abort.signal.aborted) return;
    try {
      if (plan.vision !== null) await this.#prompts.encode(entry, plan.vision.numTiles);
      else if (plan.prefill !== null) await this.#prefill(entry, plan.prefill.numTokens);
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  async #prefill(entry: Entry, count: number): Promise<void> {
    const logits = await this.#prompts.prefill(entry, count);
    const { numPrefilled, numPromptTokens } = entry.sequence;
    if (numPrefilled === numPromptTokens) this.#appendToken(entry, logits);
  }

  /** Chooses the next token from a step's logits. A fault here is this sequence's alone. */
  #appendToken(entry: Entry, logits: Float32Array | undefined): void {
    // Its token came too late: the sequence ends with the next step.
    if (entry.abort.signal.aborted) return;
    try {
      if (logits === undefined) throw new Error('The step returned no logits for this sequence.');
      this.#chooseToken(entry, logits);
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  #chooseToken(entry: Entry, logits: Float32Array): void {
    const { sequence, events } = entry;
    const endsTurn = (id: number): boolean => this.#options.eos.has(id);
    const choice = sequence.choose(logits, endsTurn);
    const { tokenId, forced, report } = choice;
    sequence.append(tokenId);
    const stops = sequence.thinking.stopsAt(tokenId);
    const accepted = sequence.thinking.accept(tokenId);
    this.#say(entry, events.token({ tokenId, forced, ...report }, accepted));
    if (accepted.stop !== null) this.#finish(entry, 'stop', { stopString: accepted.stop });
    else if (stops || endsTurn(tokenId)) this.#finish(entry, 'stop', {});
    else if (sequence.numGenerated >= sequence.request.maxTokens) this.#finish(entry, 'length', {});
  }

  #dropAborted(): void {
    for (const entry of this.#running.filter(({ abort }) => abort.signal.aborted)) {
      this.#finish(entry, 'abort', {});
    }
  }

  #fail(entry: Entry, error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    const message = 'The model failed while it worked on this request.';
    if (entry.abort.signal.aborted) this.#finish(entry, 'abort', {});
    else this.#finish(entry, 'error', { message, detail });
  }

  /** Ends a sequence, once: whatever else ends in the same step finds it finished. */
  #finish(entry: Entry, reason: FinishReason, end: Partial<FinishEvent>): void {
    const { sequence } = entry;
    if (sequence.status === 'finished') return;
    // What a failed sequence computed is not trusted; what an aborted one did, is.
    if (sequence.status === 'running')
      this.#slots.release(sequence.slot, { keep: reason !== 'error' });
    sequence.status = 'finished';
    if (reason === 'abort') this.#meter.abort();
    for (const list of [this.#waiting, this.#running]) {
      const index = list.indexOf(entry);
      if (index >= 0) list.splice(index, 1);
    }
    this.#say(entry, entry.events.finish(sequence, reason, end));
  }

  #entries(ids: readonly string[]): Entry[] {
    return this.#running.filter(({ sequence }) => ids.includes(sequence.id));
  }

  #say({ sequence }: Entry, events: readonly GenerationEvent[]): void {
    this.#outbox.add(sequence.id, events);
  }
}
