import type { Protocol } from '../model-package/protocol.ts';
import type { Decision, ThinkingEnd, ThinkingRequest } from './decision.ts';
import { measureDecision, type ProbeTokens } from './probe.ts';
import { SectionParser, type TextPiece } from './section-parser.ts';
import { StopMatcher } from './stop-matcher.ts';
import { Utf8Stream } from './utf8-stream.ts';

/** A UTF-8 character has at most three bytes after its first. */
const MAX_CONTINUATION_BYTES = 3;

/** A protocol's strings as token ids of the model's tokenizer. */
export interface ProtocolTokens {
  /** null when the protocol has no decision that single tokens show. */
  readonly probe: ProbeTokens | null;
  /** Ids of the exit text. */
  readonly exit: readonly number[];
}

export interface ControllerOptions {
  readonly protocol: Protocol;
  readonly tokens: ProtocolTokens;
  readonly request: ThinkingRequest;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** Bytes of a token's text; empty for special tokens, which write none. */
  readonly tokenBytes: (tokenId: number) => Uint8Array;
}

/** What became known with one token. */
export interface AcceptedToken {
  /** null while it is open whether the text begins with a tag; the next known side is then this token's too. */
  readonly side: 'reasoning' | 'answer' | null;
  readonly pieces: readonly TextPiece[];
  /** Stop string that was completed; the generation ends before it. */
  readonly stop: string | null;
}

/**
 * One sequence's thinking: reads the decision, follows the text through its sections, closes the thinking when its
 * budget is spent, and keeps stop strings to the answer. It sees token ids and logits and decides; it runs nothing.
 */
export class ThinkingController {
  readonly #options: ControllerOptions;
  readonly #parser: SectionParser;
  readonly #stopMatcher: StopMatcher;
  readonly #utf8 = new Utf8Stream();
  readonly #forced: number[] = [];
  #decision: Decision | null = null;
  #measured: { pThink: number; residual: number } | null = null;
  #closedBy: ThinkingEnd | null = null;
  /** Tokens before the block: an open tag the model writes itself. */
  #numBefore = 0;
  #numThinking = 0;
  #numReasoning = 0;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { request } = options;
    this.#parser = new SectionParser(options.protocol.tags, request.start);
    this.#stopMatcher = new StopMatcher(options.stop);
    if (this.#knownFromPrompt()) this.#decide(request.start === 'answer' ? 'fast' : 'think');
  }

  /** Most tokens in the block before the exit text; a character begun within them may still be finished. */
  get effectiveBudget(): number {
    const { request, maxTokens, tokens } = this.#options;
    const room = maxTokens - this.#numBefore - request.answerFloor - tokens.exit.length;
    return Math.min(request.budget ?? Number.POSITIVE_INFINITY, Math.max(0, room));
  }

  /** The mode, once it is known. */
  get decision(): Decision | null {
    return this.#decision;
  }

  /** Generated tokens up to and including the close tag; 0 for a direct answer. */
  get numReasoning(): number {
    return this.#decision?.mode === 'think' ? this.#numReasoning : 0;
  }

  /** Why the thinking ended; null for a direct answer and while it goes on. */
  get thinkingEnd(): ThinkingEnd | null {
    if (this.#decision?.mode !== 'think' || !this.#parser.inAnswer) return null;
    return this.#closedBy ?? 'natural';
  }

  get inAnswer(): boolean {
    return this.#parser.inAnswer;
  }

  /** Reads p(think) when the sequence stands at its decision point. Call with raw logits, before sampling. */
  observe(logits: Float32Array): void {
    const { request, tokens } = this.#options;
    const atDecision = this.#parser.atBlockStart && this.#numThinking === 0;
    if (request.requested !== 'auto' || tokens.probe === null || !atDecision || this.#measured)
      return;
    this.#measured = measureDecision(logits, tokens.probe);
  }

  /** Next token to write instead of a sampled one, if there is one. */
  takeForced(): number | undefined {
    if (this.#forced.length === 0 && this.#budgetIsSpent()) {
      const asked = this.#options.request.budget;
      this.#close(asked !== null && this.effectiveBudget === asked ? 'budget' : 'max_tokens');
    }
    return this.#forced.shift();
  }

  /**
   * The model ended its turn inside the block. An empty answer helps nobody: the block is closed instead and the
   * answer asked for.
   * @returns false when the turn really ends.
   */
  refuseEnd(): boolean {
    if (!this.#parser.inBlock || this.#closedBy !== null) return false;
    this.#close('stop');
    return true;
  }

  accept(tokenId: number): AcceptedToken {
    const { inBlock, inAnswer: wasAnswer } = this.#parser;
    if (inBlock && this.#closedBy === null) this.#numThinking++;
    if (!inBlock && !wasAnswer) this.#numBefore++;
    const sections = this.#parser.push(this.#utf8.push(this.#options.tokenBytes(tokenId)));
    if (this.#decision === null && this.#parser.mode !== null) this.#decide(this.#parser.mode);
    if (!wasAnswer) this.#numReasoning++;
    return { side: this.#sideOf(inBlock), ...this.#matchStops(sections) };
  }

  /** Text still held back, and a decision if none was reached, when nothing more will come. */
  finish(): { readonly pieces: readonly TextPiece[]; readonly stop: string | null } {
    const sections = [...this.#parser.push(this.#utf8.end()), ...this.#parser.end()];
    const { pieces, stop } = this.#matchStops(sections);
    const rest = stop === null ? this.#stopMatcher.end() : '';
    if (this.#decision === null) this.#decide(this.#parser.inBlock ? 'think' : 'fast');
    return { pieces: rest === '' ? pieces : [...pieces, { section: 'answer', text: rest }], stop };
  }

  #sideOf(wasInBlock: boolean): 'reasoning' | 'answer' | null {
    if (wasInBlock || this.#parser.inBlock) return 'reasoning';
    return this.#parser.inAnswer ? 'answer' : null;
  }

  #matchStops(sections: readonly TextPiece[]): { pieces: TextPiece[]; stop: string | null } {
    const pieces: TextPiece[] = [];
    for (const piece of sections) {
      if (piece.section !== 'answer') {
        pieces.push(piece);
        continue;
      }
      const { text, stop } = this.#stopMatcher.push(piece.text);
      if (text !== '') pieces.push({ section: 'answer', text });
      if (stop !== null) return { pieces, stop };
    }
    return { pieces, stop: null };
  }

  /** A mode whose tags are already in the prompt cannot turn out otherwise. */
  #knownFromPrompt(): boolean {
    const { requested, start } = this.#options.request;
    return start === 'answer' || (requested === 'think' && start === 'block');
  }

  #decide(mode: 'think' | 'fast'): void {
    const { requested, source, start } = this.#options.request;
    // Closed before the model showed a choice: whatever the exit text makes of the block is the budget's doing.
    const cutShort = this.#closedBy === 'budget' || this.#closedBy === 'max_tokens';
    const chosen = start === 'answer' ? 'prompt' : cutShort ? 'budget' : 'model';
    this.#decision = {
      requested,
      mode,
      source: requested === mode ? source : chosen,
      pThink: this.#measured?.pThink ?? null,
      pThinkSteered: this.#measured?.pThink ?? null,
      residual: this.#measured?.residual ?? null,
    };
  }

  /** A character is finished first, unless its bytes are no character and would go on for ever. */
  #budgetIsSpent(): boolean {
    if (!this.#parser.inBlock || this.#closedBy !== null) return false;
    const over = this.#numThinking - this.effectiveBudget;
    return over >= (this.#utf8.insideCharacter ? MAX_CONTINUATION_BYTES : 0);
  }

  #close(by: ThinkingEnd): void {
    this.#closedBy = by;
    this.#forced.push(...this.#options.tokens.exit);
  }
}
