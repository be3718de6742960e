/** Sampling parameters of a request. */
export interface SamplingParams {
  /** 0 is greedy: the most likely token, no randomness. */
  readonly temperature: number;
  /** Keeps the smallest set of most likely tokens whose probability reaches topP; 1 keeps all. */
  readonly topP: number;
  /** Keeps the topK most likely tokens; 0 keeps all. */
  readonly topK: number;
  /** Keeps tokens at least minP times as likely as the most likely one; 0 keeps all. */
  readonly minP: number;
  /** Divides positive and multiplies negative logits of tokens in prompt or output; 1 does nothing. */
  readonly repetitionPenalty: number;
  /** Subtracted once from the logit of every token of the output. */
  readonly presencePenalty: number;
  /** Subtracted per occurrence from the logit of every token of the output. */
  readonly frequencyPenalty: number;
  /** Added to the logits of single tokens. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** Equal seed, prompt and parameters give equal tokens. */
  readonly seed: number;
}
