import { logSumExp } from '../sampling/logprobs.ts';

/** Token sequences whose probabilities at the decision point make up p(think). */
export interface ProbeTokens {
  /** null: everything that is not `fast`. */
  readonly think: readonly (readonly number[])[] | null;
  readonly fast: readonly (readonly number[])[];
}

export interface Measurement {
  readonly pThink: number;
  /** Probability of neither. */
  readonly residual: number;
}

/** The one position at which tokens of thinking and of a direct answer part. */
export interface Branch {
  /** Ids that lead to thinking; null: all that do not lead to a direct answer. */
  readonly think: readonly number[] | null;
  readonly fast: readonly number[];
  /** p(think) / (p(think) + p(fast)) at this position. */
  readonly pThink: number;
}

type Label = 'think' | 'fast';

/** A token of one or more sequences; `label` is that of the sequence that ends here. */
interface Node {
  readonly children: Map<number, Node>;
  label: Label | null;
}

interface Masses {
  think: number;
  fast: number;
}

/**
 * Follows the decision through the tokens that make it and adds up what both sides had, from raw logits. Sequences that
 * begin alike are followed along the text until they part: the probability of a side is the joint one of its tokens up
 * to there. What was not written cannot be looked into: it counts whole, for the side it ends on.
 */
export class DecisionProbe {
  readonly #restIsThink: boolean;
  readonly #root: Node = { children: new Map(), label: null };
  #node: Node;
  #done = false;
  /** Probability of the way to the node, and what earlier nodes have settled. */
  #reached = 1;
  #settled: Masses = { think: 0, fast: 0 };
  #here: { readonly probabilities: ReadonlyMap<number, number>; readonly rest: number } | null =
    null;
  #branched = false;

  constructor({ think, fast }: ProbeTokens) {
    this.#restIsThink = think === null;
    for (const ids of think ?? []) this.#add(ids, 'think');
    for (const ids of fast) this.#add(ids, 'fast');
    this.#node = this.#root;
  }

  /** Some tokens that both sides have in common are written: the next position is part of the decision. */
  get isUnderWay(): boolean {
    return !this.#done && this.#node !== this.#root;
  }

  /** What was measured so far; null before the first position. */
  get measurement(): Measurement | null {
    const { think, fast } = this.#masses();
    if (this.#here === null && think + fast === 0) return null;
    const both = think + fast;
    return { pThink: both > 0 ? think / both : 0.5, residual: Math.max(0, 1 - both) };
  }

  /**
   * Reads one position; a second look at the same changes nothing.
   * @param logits float32 [vocabSize], raw
   * @returns the branch, if this is the position where the sides part
   */
  read(logits: Float32Array): Branch | null {
    const node = this.#node;
    if (this.#done || this.#here !== null) return null;
    const total = logSumExp(logits);
    const probabilities = new Map<number, number>();
    let rest = 1;
    for (const id of node.children.keys()) {
      const p = Math.exp((logits[id] ?? Number.NEGATIVE_INFINITY) - total);
      probabilities.set(id, p);
      rest -= p;
    }
    this.#here = { probabilities, rest: Math.max(0, rest) };
    return this.#branchAt(node);
  }

  /** The token that was written at the position read last. White space before any of the sequences is passed over. */
  accept(tokenId: number, isBlank: boolean): void {
    if (this.#done || this.#here === null) return;
    const child = this.#node.children.get(tokenId);
    const goesOn = child !== undefined && (this.#restIsThink || this.#sideOf(child) === null);
    if (goesOn && child.children.size > 0) this.#descend(tokenId, child);
    else if (child !== undefined || !isBlank || this.isUnderWay) this.#done = true;
    else this.#waitOn();
  }

  #waitOn(): void {
    this.#here = null;
    this.#branched = false;
  }

  #descend(tokenId: number, child: Node): void {
    const p = this.#here?.probabilities.get(tokenId) ?? 0;
    this.#settled = this.#masses(tokenId);
    this.#reached *= p;
    this.#node = child;
    this.#here = null;
  }

  /** Settled masses and those at hand, without the child `except`. */
  #masses(except?: number): Masses {
    const masses = { ...this.#settled };
    const node = this.#node;
    if (this.#here === null) return masses;
    for (const [id, p] of this.#here.probabilities) {
      const child = node.children.get(id);
      const side = child === undefined || id === except ? null : this.#likelySide(child);
      if (side !== null) masses[side] += this.#reached * p;
    }
    const side = this.#restSide(node);
    if (side !== null) masses[side] += this.#reached * this.#here.rest;
    return masses;
  }

  #branchAt(node: Node): Branch | null {
    if (this.#branched || this.#here === null) return null;
    const ids: Record<Label, number[]> = { think: [], fast: [] };
    const mass = { think: 0, fast: 0 };
    for (const [id, child] of node.children) {
      const side = this.#likelySide(child);
      if (side === null) continue;
      ids[side].push(id);
      mass[side] += this.#here.probabilities.get(id) ?? 0;
    }
    const rest = this.#restSide(node);
    if (rest !== null) mass[rest] += this.#here.rest;
    const parts = ids.fast.length > 0 && (ids.think.length > 0 || rest === 'think');
    if (!parts) return null;
    this.#branched = true;
    const both = mass.think + mass.fast;
    const pThink = both > 0 ? mass.think / both : 0.5;
    return { think: rest === 'think' ? null : ids.think, fast: ids.fast, pThink };
  }

  /** The side of whatever is not a child of the node. */
  #restSide(node: Node): Label | null {
    if (node !== this.#root && node.label !== null) return node.label;
    return this.#restIsThink ? 'think' : null;
  }

  /** The side all sequences below a node are on, or else the one of the sequence that ends in it. */
  #likelySide(node: Node): Label | null {
    return this.#sideOf(node) ?? node.label;
  }

  #sideOf(node: Node): Label | null {
    const below = [...node.children.values()].map((child) => this.#sideOf(child));
    const all = node.label === null ? below : [...below, node.label];
    const [first] = all;
    return first !== undefined && all.every((side) => side === first) ? first : null;
  }

  #add(ids: readonly number[], label: Label): void {
    let node = this.#root;
    for (const id of ids) {
      let child = node.children.get(id);
      if (child === undefined) {
        child = { children: new Map(), label: null };
        node.children.set(id, child);
      }
      node = child;
    }
    if (node !== this.#root) node.label = label;
  }
}
