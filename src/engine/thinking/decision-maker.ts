import type { DecidedMode } from '../../package/protocol.ts';
import type { BlockCloser } from './block-closer.ts';
import type { Decision, ThinkingRequest } from './decision.ts';
import {
  type BiasedLogits,
  type BiasSource,
  biasedProbability,
  biasLogits,
  biasSource,
  totalBias,
} from './decision-bias.ts';
import { DecisionProbe, type ProbeTree } from './probe.ts';
import type { SectionParser } from './section-parser.ts';

export interface DecisionOptions {
  readonly request: ThinkingRequest;
  /** null when no tokens show the decision. */
  readonly probe: ProbeTree | null;
  /** True at temperature 0. */
  readonly greedy: boolean;
  readonly parser: SectionParser;
  readonly closer: BlockCloser;
}

/**
 * The decision of one sequence between thinking and a direct answer: measures p(think), biases the logits at the
 * decision point where the request or the server asks for it, and records the outcome with its source.
 */
export class DecisionMaker {
  readonly #options: DecisionOptions;
  readonly #probe: DecisionProbe | null;
  readonly #startsInAnswer: boolean;
  #biased: BiasedLogits | null = null;
  #biasedBy: BiasSource | null = null;
  /** null while the mode is unknown. */
  decision: Decision | null = null;

  constructor(options: DecisionOptions) {
    this.#options = options;
    const { request, probe, parser } = options;
    const measures = request.requested === 'auto' && probe !== null;
    this.#probe = measures ? new DecisionProbe(probe) : null;
    this.#startsInAnswer = parser.afterBlock;
    // A mode whose tags are already in the prompt is certain.
    if (this.#startsInAnswer) this.#decide('fast');
    else if (request.requested === 'think' && request.start === 'block-start')
      this.#decide('think');
  }

  /**
   * Reads p(think) when the text stands at its decision point. Call it before a token is sampled.
   * @param logits float32 [vocabSize], raw
   * @returns biased logits for this one position; null where there is no bias
   */
  read(logits: Float32Array): BiasedLogits | null {
    this.#biased = null;
    const probe = this.#probe;
    if (probe === null || this.decision !== null) return null;
    const { request, parser } = this.#options;
    if (!probe.isUnderWay && !parser.atDecision) return null;
    const branch = probe.read(logits);
    const { decisionBias } = request;
    if (branch !== null && decisionBias !== undefined)
      this.#biased = biasLogits(logits, branch, decisionBias, this.#options.greedy);
    return this.#biased;
  }

  /** Takes the tokens sampled from the variants of `read`, in order; the last one is written. */
  sampled(tokenIds: readonly number[]): void {
    if (this.#biased !== null) this.#biasedBy = biasSource(this.#biased, tokenIds);
  }

  /** Takes the token that was written, and decides once the text shows a mode. Call it after parser and closer. */
  follow(tokenId: number, isBlank: boolean): void {
    this.#probe?.accept(tokenId, isBlank);
    if (this.decision !== null) return;
    const { mode } = this.#options.parser;
    if (mode !== null) this.#decide(mode);
  }

  /** Decides in any case: the text has ended. */
  finish(): void {
    if (this.decision !== null) return;
    this.#decide(this.#options.parser.section === 'reasoning' ? 'think' : 'fast');
  }

  #decide(mode: DecidedMode): void {
    const { request, greedy } = this.#options;
    const { requested, source, decisionBias } = request;
    const measured = this.#probe?.measurement ?? null;
    const pThink = measured?.pThink ?? null;
    const bias = decisionBias === undefined ? null : totalBias(decisionBias);
    this.decision = {
      requested,
      mode,
      source: requested === mode ? source : this.#sourceOf(mode),
      pThink,
      pThinkBiased:
        pThink === null || bias === null ? pThink : biasedProbability(pThink, bias, greedy),
      residual: measured?.residual ?? null,
    };
  }

  /** What made the choice where the request left it open, or did not get what it asked for. */
  #sourceOf(mode: DecidedMode): Decision['source'] {
    if (this.#startsInAnswer) return 'prompt';
    const { closedBy, endedPreamble, askedBy } = this.#options.closer;
    // Closed before the model showed a choice: the exit text decided the mode, so the closer is the source.
    if (closedBy === 'client' || (endedPreamble && askedBy === 'client')) return 'request';
    const isLimit = closedBy === 'budget' || closedBy === 'max_tokens' || closedBy === 'deadline';
    if (isLimit || endedPreamble) return 'budget';
    if (this.#biasedBy !== null) return this.#biasedBy;
    return this.#options.request.softSwitch === mode ? 'prompt' : 'model';
  }
}
