/** What the person who runs an evaluation can mend; the message is one sentence that says what and where. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
}
