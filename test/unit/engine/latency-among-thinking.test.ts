import assert from 'node:assert/strict';
import { it } from 'node:test';
import { bytesOf, NEWLINE } from '../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf, writes } from '../../helpers/engine-bench.ts';
import { Random } from '../../helpers/random.ts';

/** Milliseconds as measured for a model of 0.6B parameters on two cores: a decode step by its rows, a prompt of 24. */
const DECODE_MS = [0, 27, 34, 40, 47, 53, 60, 66, 72];
const PROMPT_MS = 100;
const PROMPT_TOKENS = 24;
/** Between a client's reply and its next request. */
const PAUSE_MS = 3;
const NUM_ANSWERS = 150;

const { thinking } = requestOf([1]);
const MODES = {
  fast: { ...thinking, requested: 'fast', source: 'request', start: 'answer-start' },
  think: { ...thinking, requested: 'think', source: 'request' },
} as const;
const TEXT = [NEWLINE, ...bytesOf('abcdefghij'.repeat(20))];

/** Clients on a clock that goes on with the model's work: what they send during a step waits for its end. */
class Clients {
  readonly firstTokenMs: number[] = [];
  readonly #bench: EngineBench;
  readonly #due = new Map<() => void, number>();
  #time = 0;
  #nextKey = 1_000;

  constructor() {
    this.#bench = new EngineBench({
      numSlots: 8,
      maxThinkingSeqs: 7,
      prefillChunk: 256,
      stallMs: 500,
      reuse: { prefixes: false, featureBytes: 0 },
      now: () => this.#time,
      onCall: (call) => {
        if (call.kind === 'decode') this.#time += DECODE_MS[call.rows.length] ?? Number.NaN;
        if (call.kind === 'prefill') this.#time += PROMPT_MS;
        for (const [send, at] of this.#due) if (at <= this.#time && this.#due.delete(send)) send();
      },
    });
  }

  /** One request after the other; `maxTokens` of zero ends it. */
  async chain(mode: keyof typeof MODES, maxTokens: () => number): Promise<void> {
    let at = this.#time;
    for (let count = maxTokens(); count > 0; count = maxTokens()) {
      const key = this.#nextKey++;
      const parts = { thinking: MODES[mode], maxTokens: count };
      const request = requestOf([key, ...promptOf(97, PROMPT_TOKENS - 1)], parts);
      const lateMs = this.#time - at;
      const { timing } = await this.#bench.submit({ request, script: writes(TEXT) });
      if (mode === 'fast') this.firstTokenMs.push((timing.firstTokenMs ?? Number.NaN) + lateMs);
      at = this.#time + PAUSE_MS;
      await new Promise<void>((resolve) => this.#due.set(resolve, at));
    }
  }
}

it('direct answers beside thinking sequences in all other slots wait at most twice as long as alone', async () => {
  const clients = new Clients();
  const random = new Random(8);
  let left = NUM_ANSWERS;
  const thinks = (): number => (left > 0 ? 40 + random.below(20) : 0);
  const answers = (): number => (left-- > 0 ? 4 : 0);
  const chains = Array.from({ length: 7 }, () => clients.chain('think', thinks));
  chains.push(clients.chain('fast', answers));
  await Promise.race(chains);
  const times = clients.firstTokenMs.toSorted((one, other) => one - other);
  const [p50 = 0, p95 = 0] = [0.5, 0.95].map((share) => times[Math.floor(times.length * share)]);
  assert.ok(times.length > NUM_ANSWERS / 2, `${times.length} answers`);
  assert.ok(p50 > PROMPT_MS && p95 <= 2 * PROMPT_MS, `p50 ${p50} ms, p95 ${p95} ms`);
});
