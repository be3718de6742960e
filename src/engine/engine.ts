import { byteCache } from './byte-cache.ts';
import { Decoding } from './decoding.ts';
import { type AddressedEvent, EventBatch } from './event-batch.ts';
import type {
  EngineCounts,
  FinishEvent,
  FinishReason,
  GenerationEvent,
  GenerationRequest,
} from './generation.ts';
import type { ModelRunner } from './model-runner.ts';
import { PrefillBudget, type PrefillBudgetOptions } from './prefill-budget.ts';
import { PromptProcessor } from './prompt-processor.ts';
import { Queues } from './queues.ts';
import { requestProblem } from './request-problem.ts';
import {
  deadlineOf,
  planAdmission,
  planLateAdmission,
  planStep,
  type StepLimits,
  type StepPlan,
  tokensOf,
} from './scheduler.ts';
import { Sequence, type SequenceEnvironment } from './sequence.ts';
import { SlotPool } from './slot-pool.ts';
import { waitForConstraints } from './token-constraint.ts';

export interface EngineOptions extends SequenceEnvironment {
  readonly runner: ModelRunner;
  readonly limits: EngineLimits;
  readonly reuse: ReuseOptions;
  /** Whether a sequence that runs alone may use speculative decoding. */
  readonly speculates: boolean;
  /** Receives all events of a step, in order. No events: only `counts` has changed. */
  readonly emit: (events: readonly AddressedEvent[]) => void;
}

/** Limits of steps, prefill and thinking. */
export interface EngineLimits extends StepLimits, PrefillBudgetOptions {
  /** Slots that thinking sequences may hold while others wait. */
  readonly maxThinkingSeqs: number;
}

/** Caches of earlier work. */
export interface ReuseOptions {
  /** Whether a slot's contents serve prompts with the same prefix. */
  readonly prefixes: boolean;
  /** Most bytes of image features kept. */
  readonly featureBytes: number;
}

/**
 * Runs sequences step by step: admit, process prompts, decode, emit events. A failing step fails only its own sequences.
 * The engine works on token ids; it knows neither text formats nor tensors.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #queues: Queues;
  readonly #prompts: PromptProcessor;
  readonly #decoding: Decoding;
  readonly #budget: PrefillBudget;
  readonly #batch: EventBatch;
  readonly #totals = { steps: 0, stepMs: 0, decodedTokens: 0, preemptions: 0, aborted: 0 };
  #isStepping = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#batch = new EventBatch(options.emit);
    const { runner, reuse, limits, now, speculates } = options;
    const slots = new SlotPool(runner.limits.numSlots, { reusesPrefixes: reuse.prefixes });
    const features = byteCache<Float32Array>(reuse.featureBytes, ({ byteLength }) => byteLength);
    const budget = new PrefillBudget(limits);
    this.#budget = budget;
    this.#queues = new Queues(slots);
    this.#prompts = new PromptProcessor({ runner, slots, features, now, budget });
    this.#decoding = new Decoding({
      runner,
      slots,
      speculates,
      now,
      emit: (sequence, events) => this.#emit(sequence, events),
      finish: (sequence, reason, end) => this.#finish(sequence, reason, end),
      fail: (sequence, error) => this.#fail(sequence, error),
    });
  }

  /** Queues a request. A request that cannot be run finishes with an error event. */
  submit(request: GenerationRequest): void {
    const { runner, imageTokenId } = this.#options;
    const sequence = new Sequence(request, this.#options);
    this.#queues.add(sequence);
    const problem = requestProblem(request, runner.limits, imageTokenId);
    if (problem !== null) this.#finish(sequence, 'error', { message: problem });
    else this.#emit(sequence, sequence.start());
    if (!this.#isStepping) void this.#run();
  }

  /** Ends a request within the current step, or within the current chunk of its prompt. */
  abort(id: string): void {
    const sequence = this.#queues.find(id);
    if (sequence === undefined || sequence.isAborted) return;
    sequence.abort();
    if (sequence.status === 'waiting') {
      this.#finish(sequence, 'abort', {});
      this.#batch.flush();
    }
  }

  /** Ends the thinking of a request with its next token. @returns false when it has none to end */
  answerNow(id: string): boolean {
    return this.#queues.find(id)?.thinking.answerNow() ?? false;
  }

  counts(): EngineCounts {
    const { numSlots, slotCapacity } = this.#options.runner.limits;
    const { running, waiting } = this.#queues;
    const held = running.reduce((sum, { numCached }) => sum + numCached, 0);
    return {
      numRunning: running.length,
      numWaiting: waiting.length,
      numThinking: running.filter(({ thinks }) => thinks).length,
      kvCacheUsage: held / (numSlots * slotCapacity),
      totals: { ...this.#prompts.totals, ...this.#totals, ...this.#decoding.totals },
    };
  }

  async #run(): Promise<void> {
    this.#isStepping = true;
    try {
      // Requests that arrive together start together.
      await Promise.resolve();
      this.#batch.flush();
      while (!this.#queues.isEmpty) await this.#stepOrFailAll();
    } finally {
      this.#isStepping = false;
    }
  }

  /**
   * A step handles failures of the model itself. An error that arrives here is a fault of the engine or of `emit`. All
   * requests end then, so that none waits forever. A second fault rejects, which ends the process with a message.
   */
  async #stepOrFailAll(): Promise<void> {
    try {
      await this.#step();
      this.#batch.flush();
    } catch (error) {
      for (const sequence of this.#queues.all) this.#fail(sequence, error);
      this.#batch.flush();
    }
  }

  async #step(): Promise<void> {
    const { limits, now } = this.#options;
    const started = now();
    this.#finishAborted();
    await this.#waitForMasks();
    this.#enforceDeadlines();
    this.#admit();
    this.#batch.flush();
    await this.#prepareOldest();
    const { running } = this.#queues;
    const prefillChunk = this.#budget.tokens(running.some(({ isDecoding }) => isDecoding));
    const plan = planStep(
      running.map(({ runningView }) => runningView),
      { ...limits, prefillChunk },
    );
    // The decode batch is fixed before prefill: the first token of a new sequence does not wait for the batch.
    const decoding = this.#sequences(plan.decode).filter(({ hasMask }) => hasMask);
    await this.#advancePrompts(plan);
    if (decoding.length > 0) await this.#admitLate(prefillChunk - tokensOf(plan.prefill));
    this.#batch.flush();
    await this.#decoding.step(decoding.filter(({ status }) => status === 'running'));
    this.#totals.steps++;
    this.#totals.stepMs += now() - started;
    this.#totals.decodedTokens += decoding.length;
    // Otherwise the counts travel with the next step's events.
    const { length } = running;
    if (length === 0 || decoding.length < length) this.#batch.countsChanged();
  }

  /**
   * Waits a short time for the masks of running sequences, or of waiting ones where none runs. A sequence whose mask
   * comes later sits out this step, or waits longer for a slot.
   */
  async #waitForMasks(): Promise<void> {
    const { running, waiting } = this.#queues;
    const sequences = running.length > 0 ? running : waiting;
    await waitForConstraints(sequences.map(({ constraint }) => constraint));
  }

  #admit(): void {
    const { runner, limits } = this.#options;
    const { waiting, running } = this.#queues;
    const startable = waiting.filter(({ hasMask }) => hasMask);
    const { preempt, admit } = planAdmission(
      startable.map(({ waitingView }) => waitingView),
      running.map(({ runningView }) => runningView),
      { numSlots: runner.limits.numSlots, maxThinkingSeqs: limits.maxThinkingSeqs },
    );
    if (preempt !== null) {
      this.#queues.preempt(preempt);
      this.#totals.preemptions++;
    }
    for (const id of admit) this.#queues.admit(id);
    if (admit.length > 0) this.#batch.countsChanged();
  }

  /** Ends requests whose time is over. Ends the thinking where just enough time for an answer is left. */
  #enforceDeadlines(): void {
    const { exit } = this.#options.tokens;
    for (const sequence of this.#queues.all) {
      const deadline = deadlineOf(sequence.deadlineView(exit.length));
      if (deadline === 'passed') this.#finish(sequence, 'timeout', {});
      else if (deadline === 'near') sequence.thinking.answerNow('deadline');
    }
  }

  async #prepareOldest(): Promise<void> {
    const oldest = this.#queues.running.find(({ isDecoding }) => !isDecoding);
    if (oldest !== undefined) await this.#guarded(oldest, () => this.#prompts.prepare(oldest));
  }

  /** The step's pieces of prompts: some tiles of an image, chunks of tokens. */
  async #advancePrompts({ vision, prefill }: Omit<StepPlan, 'decode'>): Promise<void> {
    for (const sequence of this.#sequences(vision === null ? [] : [vision.id])) {
      await this.#guarded(sequence, () => this.#prompts.encode(sequence, vision?.numTiles ?? 0));
    }
    for (const { id, numTokens } of prefill) {
      for (const sequence of this.#sequences([id])) {
        await this.#guarded(sequence, () => this.#prefill(sequence, numTokens));
        // A first token does not wait for the prompts behind it.
        this.#batch.flush();
      }
    }
  }

  /** Admits sequences that arrived during prefill and are probably short, so that they do not wait for the decode batch. */
  async #admitLate(numTokens: number): Promise<void> {
    if (this.#queues.waiting.length === 0) return;
    this.#admit();
    const running = this.#queues.running.map(({ runningView }) => runningView);
    await this.#advancePrompts({ vision: null, prefill: planLateAdmission(running, numTokens) });
  }

  /** Runs a piece of one sequence's work. Its failure ends that sequence only. */
  async #guarded(sequence: Sequence, work: () => Promise<void>): Promise<void> {
    if (sequence.isAborted) return;
    try {
      await work();
    } catch (error) {
      this.#fail(sequence, error);
    }
  }

  async #prefill(sequence: Sequence, count: number): Promise<void> {
    // An earlier piece of this step may have computed this prompt's prefix.
    await this.#prompts.prepare(sequence);
    const logits = await this.#prompts.prefill(sequence, count);
    const isWhole = sequence.numCached === sequence.numToPrefill;
    if (isWhole && sequence.numGenerated === 0) this.#decoding.append(sequence, logits);
  }

  #finishAborted(): void {
    for (const sequence of this.#queues.running.filter(({ isAborted }) => isAborted)) {
      this.#finish(sequence, 'abort', {});
    }
  }

  #fail(sequence: Sequence, error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    const message = 'The model failed while it worked on this request.';
    if (sequence.isAborted) this.#finish(sequence, 'abort', {});
    else this.#finish(sequence, 'error', { message, detail });
  }

  /** Ends a sequence. A sequence ends once: further calls do nothing. */
  #finish(sequence: Sequence, reason: FinishReason, end: Partial<FinishEvent>): void {
    if (sequence.status === 'finished') return;
    // The cache of a failed sequence may be wrong; that of an aborted one is right.
    this.#queues.end(sequence, { keep: reason !== 'error' });
    sequence.constraint?.close();
    if (reason === 'abort') this.#totals.aborted++;
    this.#batch.countsChanged();
    this.#emit(sequence, sequence.finish(reason, end));
  }

  #sequences(ids: readonly string[]): Sequence[] {
    return this.#queues.running.filter(({ id }) => ids.includes(id));
  }

  #emit({ id }: Sequence, events: readonly GenerationEvent[]): void {
    this.#batch.add(id, events);
  }
}
