import { byteCache } from './byte-cache.ts';
import { deadlineOf } from './deadline.ts';
import { Decoding } from './decoding.ts';
import {
  createEntry,
  type Entry,
  hasMask,
  type SequenceEnvironment,
  waitForMasks,
} from './entry.ts';
import type {
  EngineCounts,
  FinishEvent,
  FinishReason,
  GenerationEvent,
  GenerationRequest,
} from './generation.ts';
import type { ModelRunner } from './model-runner.ts';
import { type AddressedEvent, Outbox } from './outbox.ts';
import { PrefillPace, type PrefillPaceOptions } from './prefill-pace.ts';
import { PromptProcessor } from './prompt-processor.ts';
import { requestProblem } from './request-problem.ts';
import { Roster } from './roster.ts';
import {
  planAdmission,
  planLatecomers,
  planStep,
  type StepLimits,
  type StepPlan,
  tokensOf,
} from './scheduler.ts';
import { deadlineViewOf, viewOf, waitingViewOf } from './sequence-view.ts';
import { SlotPool } from './slot-pool.ts';
import { StepMeter } from './step-meter.ts';

export interface EngineOptions extends SequenceEnvironment {
  readonly runner: ModelRunner;
  readonly limits: EngineLimits;
  readonly reuse: ReuseOptions;
  /** Whether a sequence that runs alone may use speculative decoding. */
  readonly speculates: boolean;
  /** All events of one step, in order; none where only `counts` has changed. */
  readonly emit: (events: readonly AddressedEvent[]) => void;
}

/** How much of the machine a step, a prompt and thinking may take. */
export interface EngineLimits extends StepLimits, PrefillPaceOptions {
  /** Slots that thinkers may hold while others wait. */
  readonly maxThinkingSeqs: number;
}

/** What of earlier work serves later requests. */
export interface ReuseOptions {
  /** Whether a slot's contents serve prompts that begin alike. */
  readonly prefixes: boolean;
  /** Most bytes of image features kept. */
  readonly featureBytes: number;
}

/**
 * Runs sequences step by step: plan, decode, one piece of a prompt, events out. A failing step fails only the
 * sequences in it. Works on token ids; knows neither text formats nor tensors' origin.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #roster: Roster;
  readonly #prompts: PromptProcessor;
  readonly #decoding: Decoding;
  readonly #pace: PrefillPace;
  readonly #meter = new StepMeter();
  readonly #outbox: Outbox;
  #stepping = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.emit);
    const { runner, reuse, limits, eos, now } = options;
    const slots = new SlotPool(runner.limits.numSlots, { reusesPrefixes: reuse.prefixes });
    const features = byteCache<Float32Array>(reuse.featureBytes, ({ byteLength }) => byteLength);
    this.#pace = new PrefillPace(limits);
    this.#roster = new Roster(slots);
    this.#prompts = new PromptProcessor({ runner, slots, features, now, pace: this.#pace });
    this.#decoding = new Decoding({
      runner,
      slots,
      eos,
      speculates: options.speculates,
      now,
      say: (entry, events) => this.#say(entry, events),
      finish: (entry, reason, end) => this.#finish(entry, reason, end),
      fail: (entry, error) => this.#fail(entry, error),
    });
  }

  /** Takes a request; one that cannot be run ends with an error event instead. */
  submit(request: GenerationRequest): void {
    const { runner, imageTokenId } = this.#options;
    const entry = createEntry(request, this.#options);
    this.#roster.add(entry);
    const problem = requestProblem(request, runner.limits, imageTokenId);
    if (problem !== null) this.#finish(entry, 'error', { message: problem });
    else this.#say(entry, entry.events.decision());
    if (!this.#stepping) void this.#run();
  }

  /** Ends a request within the current step, or within its current chunk while its prompt is processed. */
  abort(id: string): void {
    const entry = this.#roster.find(id);
    if (entry === undefined || entry.abort.signal.aborted) return;
    entry.abort.abort();
    if (entry.sequence.status === 'waiting') {
      this.#finish(entry, 'abort', {});
      this.#outbox.flush();
    }
  }

  /** Ends a request's thinking with its next token. @returns false when there is none to end */
  answerNow(id: string): boolean {
    const entry = this.#roster.find(id);
    return entry?.sequence.thinking.answerNow() ?? false;
  }

  counts(): EngineCounts {
    const { numSlots, slotCapacity } = this.#options.runner.limits;
    const { running, waiting } = this.#roster;
    const held = running.reduce((sum, { sequence }) => sum + sequence.numCached, 0);
    return {
      numRunning: running.length,
      numWaiting: waiting.length,
      numThinking: running.filter(({ sequence }) => sequence.thinks).length,
      kvCacheUsage: held / (numSlots * slotCapacity),
      totals: { ...this.#prompts.totals, ...this.#meter.totals, ...this.#decoding.totals },
    };
  }

  async #run(): Promise<void> {
    this.#stepping = true;
    try {
      // Requests that arrive together start together.
      await Promise.resolve();
      this.#outbox.flush();
      while (!this.#roster.isEmpty) await this.#stepOrFailAll();
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
      for (const entry of this.#roster.all) this.#fail(entry, error);
      this.#outbox.flush();
    }
  }

  async #step(): Promise<void> {
    const { limits, now } = this.#options;
    const started = now();
    this.#dropAborted();
    await waitForMasks(this.#roster);
    this.#keepDeadlines();
    this.#admit();
    this.#outbox.flush();
    await this.#prepareOldest();
    const { running } = this.#roster;
    const hasStreams = running.some(({ sequence }) => sequence.isDecoding);
    const prefillChunk = this.#pace.budget(hasStreams);
    const plan = planStep(running.map(viewOf), { ...limits, prefillChunk });
    // What is decoded is settled before the prompts move on: a new stream's first token does not wait for others'.
    const streams = this.#entries(plan.decode).filter(hasMask);
    await this.#advancePrompts(plan);
    if (streams.length > 0) await this.#takeLatecomers(prefillChunk - tokensOf(plan.prefill));
    this.#outbox.flush();
    await this.#decoding.step(streams.filter(({ sequence }) => sequence.status === 'running'));
    this.#meter.step(now() - started, streams.length);
    // Else the counts travel with the next step's events.
    const { length } = running;
    if (length === 0 || streams.length < length) this.#outbox.countsChanged();
  }

  #admit(): void {
    const { runner, limits } = this.#options;
    const { waiting, running } = this.#roster;
    const startable = waiting.filter(hasMask).map(waitingViewOf);
    const { park, admit } = planAdmission(startable, running.map(viewOf), {
      numSlots: runner.limits.numSlots,
      maxThinkingSeqs: limits.maxThinkingSeqs,
    });
    if (park !== null) {
      this.#roster.park(park);
      this.#meter.park();
    }
    for (const id of admit) this.#roster.admit(id);
    if (admit.length > 0) this.#outbox.countsChanged();
  }

  /** Requests whose time is over end; those that think and have just enough left for an answer turn to it. */
  #keepDeadlines(): void {
    const { exit } = this.#options.tokens;
    for (const entry of this.#roster.all) {
      const deadline = deadlineOf(deadlineViewOf(entry, exit.length));
      if (deadline === 'passed') this.#finish(entry, 'timeout', {});
      else if (deadline === 'near') entry.sequence.thinking.answerNow('deadline');
    }
  }

  async #prepareOldest(): Promise<void> {
    const entry = this.#roster.running.find(({ sequence }) => !sequence.isDecoding);
    if (entry !== undefined) await this.#guarded(entry, () => this.#prompts.prepare(entry));
  }

  /** The step's pieces of prompts: some tiles of an image, chunks of tokens. */
  async #advancePrompts({ vision, prefill }: Omit<StepPlan, 'decode'>): Promise<void> {
    for (const entry of this.#entries(vision === null ? [] : [vision.id])) {
      await this.#guarded(entry, () => this.#prompts.encode(entry, vision?.numTiles ?? 0));
    }
    for (const { id, numTokens } of prefill) {
      for (const entry of this.#entries([id])) {
        await this.#guarded(entry, () => this.#prefill(entry, numTokens));
        // A first token does not wait for the prompts behind it.
        this.#outbox.flush();
      }
    }
  }

  /** Who came while prompts were processed, and is likely short, does not wait for the step's tokens as well. */
  async #takeLatecomers(numTokens: number): Promise<void> {
    if (this.#roster.waiting.length === 0) return;
    this.#admit();
    const prefill = planLatecomers(this.#roster.running.map(viewOf), numTokens);
    await this.#advancePrompts({ vision: null, prefill });
  }

  /** Does a piece of one sequence's work; its failure is that sequence's alone. */
  async #guarded(entry: Entry, work: () => Promise<void>): Promise<void> {
    if (entry.abort.signal.aborted) return;
    try {
      await work();
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  async #prefill(entry: Entry, count: number): Promise<void> {
    const { sequence } = entry;
    // What came before in this step may be what this prompt begins with.
    await this.#prompts.prepare(entry);
    const logits = await this.#prompts.prefill(entry, count);
    const isWhole = sequence.numCached === sequence.numToPrefill;
    if (isWhole && sequence.numGenerated === 0) this.#decoding.append(entry, logits);
  }

  #dropAborted(): void {
    for (const entry of this.#roster.running.filter(({ abort }) => abort.signal.aborted)) {
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
    this.#roster.end(entry, { keep: reason !== 'error' });
    sequence.guard?.close();
    if (reason === 'abort') this.#meter.abort();
    this.#outbox.countsChanged();
    this.#say(entry, entry.events.finish(sequence, reason, end));
  }

  #entries(ids: readonly string[]): Entry[] {
    return this.#roster.running.filter(({ sequence }) => ids.includes(sequence.id));
  }

  #say({ sequence }: Entry, events: readonly GenerationEvent[]): void {
    this.#outbox.add(sequence.id, events);
  }
}
