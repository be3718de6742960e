/** A mistake that the user can fix. The message is one sentence that says what is wrong and where. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
}
