/** Which generations of the engine belong to the completions that are running, by the id their clients know. */
export class RunningCompletions {
  readonly #generations = new Map<string, Set<string>>();

  add(completionId: string, generationId: string): void {
    const ids = this.#generations.get(completionId) ?? new Set();
    this.#generations.set(completionId, ids.add(generationId));
  }

  delete(completionId: string): void {
    this.#generations.delete(completionId);
  }

  /** All generations of a completion; an id of no completion may be that of one generation. */
  generationsOf(id: string): readonly string[] {
    return [...(this.#generations.get(id) ?? [id])];
  }
}
