/**
 * Seeded random numbers for sampling: xoshiro128** (Blackman and Vigna, 2018). SplitMix32 fills its state, so that nearby
 * seeds give unrelated sequences.
 *
 * The generator is our own because a seed must keep giving the tokens it gave. pure-rand, which the evaluation uses, has
 * xoroshiro128+ and others but not xoshiro128**; another generator would change every seeded reply.
 */
export class SeededRandom {
  readonly #state: Uint32Array;

  /** @param seed a non-negative safe integer. */
  constructor(seed: number) {
    let mix = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
    this.#state = Uint32Array.from({ length: 4 }, () => {
      mix = (mix + 0x9e3779b9) >>> 0;
      let z = mix;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    });
  }

  /** Uniform in [0, 1) with 32 bits of resolution. */
  next(): number {
    const s = this.#state;
    const product = Math.imul(s[1]!, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = s[1]! << 9;
    s[2] = s[2]! ^ s[0]!;
    s[3] = s[3]! ^ s[1]!;
    s[1] = s[1]! ^ s[2]!;
    s[0] = s[0]! ^ s[3]!;
    s[2] = s[2]! ^ t;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result / 2 ** 32;
  }
}
