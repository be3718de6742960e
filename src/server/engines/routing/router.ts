import { LRUCache } from 'lru-cache';
import type { TokenPrefix } from '../../../engine/token-prefix.ts';
import { type ChosenBy, chooseEngine } from './choose-engine.ts';
import { EngineMemory, type EngineMemoryOptions } from './engine-memory.ts';
import { promptChain } from './prompt-chain.ts';

export interface RouterOptions extends EngineMemoryOptions {
  readonly numEngines: number;
  /** Slots of each engine. */
  readonly numSlots: number;
}

/** The part of a request that routing depends on. */
export interface RoutedRequest extends TokenPrefix {
  /** Requests of one group go to one engine, whatever its load. */
  readonly group: string;
}

/** An engine at this moment. */
export interface EngineLoad {
  readonly isReady: boolean;
  /** Requests that the engine has, including those that wait. */
  readonly load: number;
}

export interface Route {
  readonly engine: number;
  readonly by: ChosenBy | 'group';
}

/** Number of groups that the router remembers. */
const MAX_GROUPS = 4096;

/**
 * Chooses the engine of each request and remembers what each engine received. It knows neither processes nor time: its
 * choices follow from the requests before.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #memories: readonly EngineMemory[];
  readonly #lastChosen: number[];
  /** Engine of each group. */
  readonly #groups = new LRUCache<string, number>({ max: MAX_GROUPS });
  #clock = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#memories = Array.from({ length: options.numEngines }, () => new EngineMemory(options));
    this.#lastChosen = this.#memories.map(() => 0);
  }

  /**
   * @param engines every engine, by number
   * @returns null when no engine is ready
   */
  route(request: RoutedRequest, engines: readonly EngineLoad[]): Route | null {
    const prompt = { ...request, chain: promptChain(request) };
    const group = this.#groups.get(request.group);
    const route: Route | null =
      group !== undefined && engines[group]?.isReady === true
        ? { engine: group, by: 'group' }
        : chooseEngine(
            engines.flatMap(({ isReady, load }, engine) => {
              if (!isReady) return [];
              const known = this.#memories[engine]?.known(prompt) ?? 0;
              return [{ engine, load, known, lastChosen: this.#lastChosen[engine] ?? 0 }];
            }),
            { numTokens: request.tokenIds.length, numSlots: this.#options.numSlots },
          );
    if (route === null) return null;
    this.#memories[route.engine]?.add(prompt);
    this.#lastChosen[route.engine] = ++this.#clock;
    this.#groups.set(request.group, route.engine);
    return route;
  }

  /** Forgets what an engine has cached, because its process is new. */
  forget(engine: number): void {
    this.#memories[engine]?.clear();
  }
}
