import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GenerationEvent, GenerationRequest } from '../../../src/engine/generation.ts';
import { bytesOf, CLOSE, EOS, idsOf, NEWLINE } from '../../helpers/byte-tokens.ts';
import { repetitions } from '../../helpers/corpus-sample.ts';
import { EngineBench, promptOf, requestOf, writes } from '../../helpers/engine-bench.ts';
import { Random } from '../../helpers/random.ts';
import type { Script } from '../../helpers/scripted-runner.ts';

const THINKING = requestOf([1]).thinking;
const SAMPLING = requestOf([1]).sampling;
const ANSWERS = {
  ...THINKING,
  requested: 'fast',
  source: 'request',
  start: 'answer-start',
} as const;
const REPEATS = 'one two three, one two three, one two three four, one two three.';

function untimed(events: readonly GenerationEvent[]): unknown[] {
  return events.map((event) => (event.type === 'finish' ? { ...event, timing: null } : event));
}

interface Run {
  readonly events: unknown[];
  readonly steps: number;
  readonly bench: EngineBench;
}

async function run(
  script: Script,
  parts: Partial<GenerationRequest>,
  speculates: boolean,
): Promise<Run> {
  const bench = new EngineBench({ speculates });
  const request = requestOf(promptOf(1, 12), parts);
  await bench.submit({ request, script });
  const steps = bench.runner.calls.filter(
    ({ kind }) => kind === 'decode' || kind === 'verify',
  ).length;
  return { events: untimed(bench.of(request.id)), steps, bench };
}

/** The same events with and without; fewer steps with. @returns the run that looked ahead */
async function same(script: Script, parts: Partial<GenerationRequest>): Promise<Run> {
  const [plain, ahead] = [await run(script, parts, false), await run(script, parts, true)];
  assert.deepEqual(ahead.events, plain.events);
  assert.ok(ahead.steps <= plain.steps);
  return ahead;
}

describe('Speculative decoding writes what plain steps write', () => {
  it('in fewer steps where a text repeats itself', async () => {
    const { steps, bench, events } = await same(writes(bytesOf(REPEATS)), { thinking: ANSWERS });
    assert.ok(steps < REPEATS.length * 0.6, `${steps} steps for ${REPEATS.length} tokens`);
    const { draftedTokens, acceptedTokens } = bench.engine.counts().totals;
    assert.equal(acceptedTokens, events.length - 3 - steps);
    assert.ok(draftedTokens >= acceptedTokens && acceptedTokens > 10);
  });

  it('with logprobs, drawn tokens and penalties', async () => {
    const script: Script = (generated) => ({
      tokenId: bytesOf('abcd')[generated.length % 4] ?? 0,
      margin: 6,
    });
    const sampling = {
      ...SAMPLING,
      temperature: 1,
      seed: 11,
      presencePenalty: 0.1,
      repetitionPenalty: 1.1,
    };
    await same(script, { thinking: ANSWERS, sampling, topLogprobs: 3, maxTokens: 80 });
  });

  it('with thinking, its budget, and text forced inside a draft', async () => {
    const loop: Script = (generated) => {
      const closed = generated.indexOf(CLOSE);
      const answer = bytesOf(REPEATS);
      return closed < 0
        ? (bytesOf('ab')[generated.length % 2] ?? 0)
        : (answer[generated.length - closed - 1] ?? EOS);
    };
    for (const budget of [9, 10, 11, 12, 13, 30]) {
      await same(loop, { thinking: { ...THINKING, budget } });
    }
    await same(loop, { thinking: { ...THINKING, breakLoops: true } });
    await same(writes([NEWLINE, ...idsOf(`${REPEATS}\n</think>\n${REPEATS}`)]), {});
  });

  it('up to stop strings, stop tokens, the end of the turn and max_tokens', async () => {
    const script = writes(bytesOf(REPEATS));
    await same(script, { thinking: ANSWERS, stop: ['three four'] });
    await same(script, { thinking: ANSWERS, stopTokenIds: bytesOf('.') });
    await same(script, { thinking: ANSWERS, minTokens: 60, stop: ['three'] });
    for (let maxTokens = 20; maxTokens < 32; maxTokens++) {
      await same(script, { thinking: ANSWERS, maxTokens });
    }
  });

  it('for random texts of few words', async () => {
    const random = new Random(5);
    for (let i = 0; i < repetitions(300, 60); i++) {
      const words = Array.from(
        { length: 40 },
        () => ['ab', 'abc', 'c d', 'dab'][random.below(4)] ?? '',
      );
      const sampling = { ...SAMPLING, temperature: i % 2, seed: i };
      const parts = { thinking: ANSWERS, sampling, maxTokens: 20 + random.below(80) };
      await same(writes(bytesOf(words.join(''))), parts);
    }
  });

  it('and leaves no rejected draft token in the slot', async () => {
    const bench = new EngineBench({ numSlots: 1, speculates: true });
    const request = requestOf(promptOf(1, 12), { thinking: ANSWERS, maxTokens: 30 });
    await bench.submit({ request, script: writes(bytesOf(REPEATS)) });
    const turn = [...request.promptTokenIds, ...bytesOf(REPEATS).slice(0, 30), ...bytesOf('zzz')];
    const next = requestOf(turn, { id: 'next', thinking: ANSWERS });
    const finish = await bench.submit({ request: next, script: writes(bytesOf('ok')) });
    assert.equal(finish.usage.cachedTokens, 12 + 29);
    assert.equal(bench.text('next', 'answer'), 'ok');
  });
});

describe('Speculative decoding', () => {
  it('is off while two sequences run', async () => {
    const bench = new EngineBench({ speculates: true, prefillChunk: 64 });
    const jobs = [1, 2].map((key) => ({
      request: requestOf(promptOf(key, 12), { thinking: ANSWERS, maxTokens: 40 }),
      script: writes(bytesOf(REPEATS)),
    }));
    await Promise.all(jobs.map((job) => bench.submit(job)));
    assert.ok(bench.runner.calls.every(({ kind }) => kind !== 'verify'));
  });

  it('pauses where drafts cost more than they yield', async () => {
    let time = 0;
    const random = new Random(9);
    const bench = new EngineBench({
      speculates: true,
      slotCapacity: 2_048,
      now: () => time,
      onCall: (call) => {
        if (call.kind === 'decode') time += 10;
        if (call.kind === 'verify') time += 30;
      },
    });
    // Two letters at random: a draft's next token comes half of the time.
    const text = Array.from({ length: 1_000 }, () => 97 + random.below(2));
    const request = requestOf(promptOf(1, 12), { thinking: ANSWERS, maxTokens: 1_000 });
    await bench.submit({ request, script: writes(text) });
    const verified = bench.runner.calls.filter(({ kind }) => kind === 'verify').length;
    assert.ok(verified >= 4 && verified < 80, `${verified} drafts`);
  });
});
