import type { Protocol } from '../package/protocol.ts';
import { byteCache } from './byte-cache.ts';
import { Decoding } from './decoding.ts';
import { type AddressedEvent, EventBatch } from './event-batch.ts';
import type { EngineCounts, FinishEvent, FinishReason, GenerationRequest } from './generation.ts';
import type { ModelRunner } from './model-runner.ts';
import { PrefillBudget, type PrefillBudgetOptions, PromptProcessor } from './prompt-processor.ts';
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
import { probeTree } from './thinking/probe.ts';
import { grammarOf } from './thinking/protocol-grammar.ts';
import { waitForConstraints } from './token-constraint.ts';

export interface EngineOptions extends Omit<SequenceEnvironment, 'grammar' | 'probe'> {
  readonly protocol: Protocol;
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
  readonly #environment: SequenceEnvironment;
  readonly #queues: Queues;
  readonly #prompts: PromptProcessor;
  readonly #decoding: Decoding;
  readonly #budget: PrefillBudget;
  readonly #batch: EventBatch;
  readonly #totals = { steps: 0, stepMs: 0, decodedTokens: 0, preemptions: 0, aborted: 0 };
  #isStepping = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { probe } = options.tokens;
    this.#environment = {
      ...options,
      grammar: grammarOf(options.protocol),
      probe: probe === null ? null : probeTree(probe),
    };
    this.#batch = new EventBatch(options.emit);
    const { runner, reuse, limits, now, speculates } = options;
    const slots = new SlotPool(runner.limits.numSlots, { reusesPrefixes: reuse.prefixes });
    const features = byteCache<Float32Array>(reuse.featureBytes, ({ byteLength }) => byteLength);
    const budget = new PrefillBudget(limits);
    this.#budget = budget;
    this.#queues = new Queues(slots, now);
    this.#prompts = new PromptProcessor({ runner, slots, features, now, budget });
    this.#decoding = new Decoding({
      runner,
      slots,
      speculates,
      now,
      batch: this.#batch,
      finish: (sequence, reason, end) => this.#finish(sequence, reason, end),
      fail: (sequence, error) => this.#fail(sequence, error),
    });
  }

  /** Queues a request. A request that cannot be run finishes with an error event. */
  submit(request: GenerationRequest): void {
    const { runner, imageTokenId } = this.#options;
    const sequence = new Sequence(request, this.#environment);
    this.#queues.add(sequence);
    const problem = requestProblem(request, runner.limits, imageTokenId);
    if (problem !== null) this.#finish(sequence, 'error', { message: problem });
    else this.#batch.add(sequence.id, sequence.start());
    if (!this.#isStepping) void this.#run();
  }

  /** Ends a request within the current step, or within the current chunk of its prompt. */
  abort(id: string): void {
    const sequence = this.#queues.find(id);
    if (sequence === undefined || sequence.signal.aborted) return;
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
      while (this.#queues.all.length > 0) await this.#stepOrFailAll();
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
    for (const sequence of this.#queues.running.filter(({ signal }) => signal.aborted)) {
      this.#finish(sequence, 'abort', {});
    }
    await this.#waitForMasks();
    this.#enforceDeadlines();
    this.#admit();
    this.#batch.flush();
    const { running } = this.#queues;
    const oldest = running.find(({ isDecoding }) => !isDecoding);
    if (oldest !== undefined) await this.#guarded(oldest, () => this.#prompts.prepare(oldest));
    const prefillChunk = this.#budget.tokens(running.some(({ isDecoding }) => isDecoding));
    const plan = planStep(
      running.map(({ runningView }) => runningView),
      { ...limits, prefillChunk },
    );
    // The decode batch is fixed before prefill: the first token of a new sequence does not wait for the batch.
    const decoding = this.#sequences(plan.decode).filter(({ hasMask }) => hasMask);
    await this.#advancePrompts(plan);
    if (decoding.length > 0 && this.#queues.waiting.length > 0)
      await this.#admitLate(prefillChunk - tokensOf(plan.prefill));
    this.#batch.flush();
    await this.#decoding.step(decoding.filter(({ status }) => status === 'running'));
    this.#totals.steps++;
    this.#totals.stepMs += now() - started;
    this.#totals.decodedTokens += decoding.length;
    // Otherwise the counts travel with the next step's events.
    const { length } = running;
    if (length === 0 || decoding.length < length) this.#batch.countsChanged = true;
  }

  /**
   * Waits a short time for the masks of running sequences, or of waiting ones where none runs. A sequence whose mask
   * comes later sits out this step, or waits longer for a slot.
   */
  async #waitForMasks(): Promise<void> {
    const { running, waiting } = this.#queues;
    const sequences = running.length > 0 ? running : waiting;
    const pending = sequences.filter(({ hasMask }) => !hasMask);
    if (pending.length > 0) await waitForConstraints(pending.map(({ constraint }) => constraint));
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
    if (admit.length > 0) this.#batch.countsChanged = true;
  }

  /** Ends requests whose time is over. Ends the thinking where just enough time for an answer is left. */
  #enforceDeadlines(): void {
    const { tokens, now } = this.#options;
    for (const sequence of this.#queues.all) {
      if (sequence.request.timeoutMs === null) continue;
      const deadline = deadlineOf(sequence.deadlineView(now(), tokens.exit.length));
      if (deadline === 'passed') this.#finish(sequence, 'timeout', {});
      else if (deadline === 'near') sequence.thinking.answerNow('deadline');
    }
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
    this.#admit();
    const running = this.#queues.running.map(({ runningView }) => runningView);
    await this.#advancePrompts({ vision: null, prefill: planLateAdmission(running, numTokens) });
  }

  /** Runs a piece of one sequence's work. Its failure ends that sequence only. */
  async #guarded(sequence: Sequence, work: () => Promise<void>): Promise<void> {
    if (sequence.signal.aborted) return;
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
    if (isWhole && sequence.generated.length === 0) this.#decoding.append(sequence, logits);
  }

  #fail(sequence: Sequence, error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    const message = 'The model failed while it worked on this request.';
    if (sequence.signal.aborted) this.#finish(sequence, 'abort', {});
    else this.#finish(sequence, 'error', { message, detail });
  }

  /** Ends a sequence. A sequence ends once: further calls do nothing. */
  #finish(sequence: Sequence, reason: FinishReason, end: Partial<FinishEvent>): void {
    if (sequence.status === 'finished') return;
    // The cache of a failed sequence may be wrong; that of an aborted one is right.
    this.#queues.end(sequence, { keep: reason !== 'error' });
    sequence.constraint?.close();
    if (reason === 'abort') this.#totals.aborted++;
    this.#batch.countsChanged = true;
    this.#batch.add(sequence.id, sequence.finish(reason, end));
  }

  #sequences(ids: readonly string[]): Sequence[] {
    return this.#queues.running.filter(({ id }) => ids.includes(id));
  }
}
