import type { TokenPrefix } from '../../../engine/token-prefix.ts';
import { type ChosenBy, chooseEngine } from './choose-engine.ts';
import { EngineMemory, type EngineMemoryOptions } from './engine-memory.ts';
import { promptChain } from './prompt-chain.ts';

export interface RouterOptions extends EngineMemoryOptions {
  readonly numEngines: number;
  /** Slots of each engine. */
  readonly numSlots: number;
}

/** A request, as far as its way is concerned. */
export interface RoutedRequest extends TokenPrefix {
  /** Requests of one group go to one engine, whatever its load. */
  readonly group: string;
}

/** An engine at this moment. */
export interface EngineLoad {
  readonly isReady: boolean;
  /** Requests it has, waiting ones among them. */
  readonly load: number;
}

export interface Route {
  readonly engine: number;
  readonly by: ChosenBy | 'group';
}

/** Groups remembered; the least recently used are forgotten first. */
const MAX_GROUPS = 4096;

/**
 * Says which engine gets a request, and remembers what each one got. Knows neither processes nor time; its answers
 * follow from what it was asked before.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #memories: readonly EngineMemory[];
  readonly #lastChosen: number[];
  /** In order of use. */
  readonly #groups = new Map<string, number>();
  #clock = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#memories = Array.from({ length: options.numEngines }, () => new EngineMemory(options));
    this.#lastChosen = this.#memories.map(() => 0);
  }

  /**
   * @param engines every engine, by number
   * @returns null where none is ready
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
    this.#remember(request.group, route.engine);
    return route;
  }

  /** An engine holds nothing any more: its process is a new one. */
  forget(engine: number): void {
    this.#memories[engine]?.clear();
  }

  #remember(group: string, engine: number): void {
    this.#groups.delete(group);
    this.#groups.set(group, engine);
    const [oldest] = this.#groups.keys();
    if (this.#groups.size > MAX_GROUPS && oldest !== undefined) this.#groups.delete(oldest);
  }
}
