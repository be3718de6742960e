/** The engine's generations of each running completion, by the id that the client knows. */
export class RunningCompletions {
  readonly #generations = new Map<string, Set<string>>();

  add(completionId: string, generationId: string): void {
    const ids = this.#generations.get(completionId) ?? new Set();
    this.#generations.set(completionId, ids.add(generationId));
  }

  delete(completionId: string): void {
    this.#generations.delete(completionId);
  }

  /** All generations of a completion; an unknown id may be the id of one generation. */
  generationsOf(id: string): readonly string[] {
    return [...(this.#generations.get(id) ?? [id])];
  }
}
