import type { DecidedMode } from '../../package/protocol.ts';
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

/** The position at which the token sequences of the two modes diverge. */
export interface Branch {
  /** Ids that lead to thinking; null: all ids that do not lead to a direct answer. */
  readonly think: readonly number[] | null;
  readonly fast: readonly number[];
  /** p(think) / (p(think) + p(fast)) at this position. */
  readonly pThink: number;
}

/** A token of one or more sequences. */
interface Node {
  readonly children: Map<number, Node>;
  /** Mode of the sequence that ends here. */
  mode: DecidedMode | null;
  /** Mode of all sequences that pass or end here; null where they differ. */
  common: DecidedMode | null;
}

/** The sequences of a protocol as a tree. It depends on the model only, so an engine builds it once. */
export interface ProbeTree {
  readonly root: Node;
  /** Every token that no sequence has leads to thinking. */
  readonly restIsThink: boolean;
}

export function probeTree({ think, fast }: ProbeTokens): ProbeTree {
  const root: Node = { children: new Map(), mode: null, common: null };
  for (const ids of think ?? []) addSequence(root, ids, 'think');
  for (const ids of fast) addSequence(root, ids, 'fast');
  setCommonMode(root);
  return { root, restIsThink: think === null };
}

function addSequence(root: Node, ids: readonly number[], mode: DecidedMode): void {
  let node = root;
  for (const id of ids) {
    let child = node.children.get(id);
    if (child === undefined) {
      child = { children: new Map(), mode: null, common: null };
      node.children.set(id, child);
    }
    node = child;
  }
  if (node !== root) node.mode = mode;
}

function setCommonMode(node: Node): void {
  for (const child of node.children.values()) setCommonMode(child);
  const below = Array.from(node.children.values(), ({ common }) => common);
  const all = node.mode === null ? below : [...below, node.mode];
  const [first = null] = all;
  node.common = all.every((mode) => mode === first) ? first : null;
}

interface Masses {
  think: number;
  fast: number;
}

/**
 * Measures the probability of both modes from raw logits while the deciding tokens are written. Sequences that begin
 * alike are followed along the text until they diverge; the probability of a mode is the joint probability of its tokens
 * up to there. A sequence that the text did not take counts whole, for the mode it ends on.
 */
export class DecisionProbe {
  readonly #restIsThink: boolean;
  readonly #root: Node;
  #node: Node;
  #done = false;
  /** Probability of the path to the node, and the masses that earlier nodes have settled. */
  #reached = 1;
  #settled: Masses = { think: 0, fast: 0 };
  #here: { readonly probabilities: ReadonlyMap<number, number>; readonly rest: number } | null =
    null;
  #branched = false;

  constructor({ root, restIsThink }: ProbeTree) {
    this.#restIsThink = restIsThink;
    this.#root = root;
    this.#node = root;
  }

  /** Tokens that both modes share are written; the next position is part of the decision. */
  get isUnderWay(): boolean {
    return !this.#done && this.#node !== this.#root;
  }

  /** The measurement so far; null before the first position. */
  get measurement(): Measurement | null {
    const { think, fast } = this.#masses();
    if (this.#here === null && think + fast === 0) return null;
    const both = think + fast;
    return { pThink: both > 0 ? think / both : 0.5, residual: Math.max(0, 1 - both) };
  }

  /**
   * Reads one position. Reading it again changes nothing.
   * @param logits float32 [vocabSize], raw
   * @returns the branch, if this is the position at which the modes diverge
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

  /** Takes the token written at the position read last. White space before all sequences is skipped. */
  accept(tokenId: number, isBlank: boolean): void {
    if (this.#done || this.#here === null) return;
    const child = this.#node.children.get(tokenId);
    const goesOn = child !== undefined && (this.#restIsThink || child.common === null);
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

  /** Settled masses and those of this position, without the child `except`. */
  #masses(except?: number): Masses {
    const masses = { ...this.#settled };
    const node = this.#node;
    if (this.#here === null) return masses;
    for (const [id, p] of this.#here.probabilities) {
      const child = node.children.get(id);
      const mode = child === undefined || id === except ? null : (child.common ?? child.mode);
      if (mode !== null) masses[mode] += this.#reached * p;
    }
    const mode = this.#modeOfRest(node);
    if (mode !== null) masses[mode] += this.#reached * this.#here.rest;
    return masses;
  }

  #branchAt(node: Node): Branch | null {
    if (this.#branched || this.#here === null) return null;
    const ids: Record<DecidedMode, number[]> = { think: [], fast: [] };
    const mass = { think: 0, fast: 0 };
    for (const [id, child] of node.children) {
      const mode = child.common ?? child.mode;
      if (mode === null) continue;
      ids[mode].push(id);
      mass[mode] += this.#here.probabilities.get(id) ?? 0;
    }
    const rest = this.#modeOfRest(node);
    if (rest !== null) mass[rest] += this.#here.rest;
    const parts = ids.fast.length > 0 && (ids.think.length > 0 || rest === 'think');
    if (!parts) return null;
    this.#branched = true;
    const both = mass.think + mass.fast;
    const pThink = both > 0 ? mass.think / both : 0.5;
    return { think: rest === 'think' ? null : ids.think, fast: ids.fast, pThink };
  }

  /** Mode of every token that is not a child of the node. */
  #modeOfRest(node: Node): DecidedMode | null {
    if (node !== this.#root && node.mode !== null) return node.mode;
    return this.#restIsThink ? 'think' : null;
  }
}
