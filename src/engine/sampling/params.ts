/** How the next token is chosen from the logits. */
export interface SamplingParams {
  /** 0 is greedy: the most likely token, no randomness. */
  readonly temperature: number;
  /** Smallest set of most likely tokens whose probability reaches topP; 1 keeps all. */
  readonly topP: number;
  /** Only the topK most likely tokens; 0 keeps all. */
  readonly topK: number;
  /** Only tokens at least minP times as likely as the most likely one; 0 keeps all. */
  readonly minP: number;
  /** Divides positive and multiplies negative logits of tokens seen in prompt or output; 1 does nothing. */
  readonly repetitionPenalty: number;
  /** Subtracted once from the logit of every token of the output. */
  readonly presencePenalty: number;
  /** Subtracted per occurrence from the logit of every token of the output. */
  readonly frequencyPenalty: number;
  /** Added to single tokens' logits. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** Same seed, same prompt, same parameters: same tokens. */
  readonly seed: number;
}
