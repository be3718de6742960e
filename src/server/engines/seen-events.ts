import type { GenerationEvent } from '../../engine/generation.ts';
import { EngineLostError } from './engine-lost-error.ts';

/** What of a request's events was handed on, so that a second engine can be held to it. */
export class SeenEvents {
  readonly #keys: string[] = [];

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  add(event: GenerationEvent): void {
    this.#keys.push(keyOf(event));
  }

  /**
   * The events of a request that began again, without those that were seen before: with the same seed, engines of the
   * same weights write the same tokens.
   * @throws EngineLostError where they do not: what was handed on is lost with the engine it came from
   */
  async *notIn(events: AsyncIterable<GenerationEvent>): AsyncGenerator<GenerationEvent> {
    const known = this.#keys.slice();
    let index = 0;
    for await (const event of events) {
      if (index >= known.length) yield event;
      else if (keyOf(event) !== known[index]) throw new EngineLostError();
      index += 1;
    }
  }
}

function keyOf(event: GenerationEvent): string {
  switch (event.type) {
    case 'decision':
      return `decision ${event.mode}`;
    case 'token':
      return `${event.tokenId} ${event.section}`;
    case 'finish':
      return 'finish';
  }
}
