import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Protocol, ThinkingMode } from '../../../../src/package/protocol.ts';
import { BUILTIN_PROTOCOLS } from '../../../../src/package/protocols/builtin-protocols.ts';
import {
  behaviours,
  type CorpusCase,
  type Played,
  pairs,
  playReply,
} from '../../../helpers/corpus-player.ts';
import { CorpusSample, isWholeCorpus } from '../../../helpers/corpus-sample.ts';
import type { EngineBench } from '../../../helpers/engine-bench.ts';
import type { Split, Wording, WrittenReply } from '../../../helpers/protocol-corpus.ts';

/**
 * Replies in the words of every protocol, streamed through the real engine. Each section has an alphabet of its own
 * (preamble Armenian, reasoning Greek and Chinese, answer Cyrillic), so that a byte in the wrong place shows.
 */
const SPLITS: readonly Split[] = ['whole', 'bytes', 'random'];
const BUDGETS = [0, 1, 2, 7, 64, 1000];
/** Null is a number that is drawn. */
const MAXIMA = [1, 16, null];
const IN_PREAMBLE = /[\u0530-\u058f]/;
const IN_REASONING = /[\u0370-\u03ff\u4e00-\u9fff]/;
const IN_ANSWER = /[\u0400-\u04ff]/;

const sample = new CorpusSample(4);
const { random } = sample;
let numCases = 0;

function play(of: CorpusCase): Promise<Played> {
  numCases++;
  return playReply(of, random);
}

/** Words that look like the protocol's own tags, in the midst of the text. */
function wordingOf({ tags }: Protocol): Wording {
  const broken = tags.close.slice(0, -1);
  return {
    preamble: 'ժամ < ժամ',
    reasoning: `αβγ < δ ${broken} ε 中 ${tags.open} ζ </b> ##η`,
    answer: `Да <b>и ${tags.open} не ${tags.close}, ${broken} ## нет.`,
  };
}

/** What holds for every reply, however it ended. */
function checkInvariants({ bench, finish, reply, vocabulary, what }: Played): void {
  const id = 'request 1';
  const [preamble, reasoning, answer] = (['preamble', 'reasoning', 'answer'] as const).map(
    (section) => bench.text(id, section),
  ) as [string, string, string];
  assert.doesNotMatch(preamble, IN_REASONING, what);
  assert.doesNotMatch(preamble, IN_ANSWER, what);
  assert.doesNotMatch(reasoning, IN_ANSWER, what);
  assert.doesNotMatch(reasoning, IN_PREAMBLE, what);
  assert.doesNotMatch(answer, IN_REASONING, what);
  assert.doesNotMatch(answer, IN_PREAMBLE, what);
  const tokens = bench.tokens(id);
  const bytes = tokens.map(({ tokenId }) => vocabulary.tokenBytes(tokenId));
  const whole = Buffer.concat(bytes);
  const pieces = bench
    .of(id)
    .flatMap((event) => (event.type === 'decision' ? [] : event.pieces))
    .map(({ text }) => text)
    .join('');
  if (finish.stopString === null) assert.equal(pieces, whole.toString(), what);
  else assert.ok(whole.toString().startsWith(pieces), what);
  const { usage } = finish;
  assert.equal(usage.completionTokens, tokens.length, what);
  assert.deepEqual(
    [usage.preambleTokens, usage.reasoningTokens],
    countByOffsets(bytes, reply, modeOf(bench) === 'think', bench),
    what,
  );
}

/** The same counts from the bytes alone: a token belongs to the section in which it begins. */
function countByOffsets(
  bytes: readonly Uint8Array[],
  { text, preambleEnd }: WrittenReply,
  thinks: boolean,
  { protocol }: EngineBench,
): [number, number] {
  // Forced text can cut a character in two, so places are counted in bytes.
  const whole = Buffer.concat(bytes);
  const start = Buffer.byteLength(text.slice(0, preambleEnd));
  const { tags, preamble } = protocol;
  // A tag that broke off opened nothing.
  const isWeighed = preambleEnd > 0 && whole.indexOf(preamble?.open ?? '') === 0;
  const judged = isWeighed ? endOf(whole, preamble?.close ?? '', 0) : 0;
  const closed = thinks ? endOf(whole, tags.close, start) : 0;
  let offset = 0;
  let numPreamble = 0;
  let numReasoning = 0;
  for (const token of bytes) {
    if (offset < judged) numPreamble++;
    else if (offset < closed) numReasoning++;
    offset += token.length;
  }
  return [numPreamble, numReasoning];
}

/** The byte after the first `tag` from a byte on; infinity where there is none. */
function endOf(text: Buffer, tag: string, from: number): number {
  const at = text.indexOf(tag, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at + Buffer.byteLength(tag);
}

function modeOf(bench: EngineBench): string | undefined {
  return bench.of('request 1').find((event) => event.type === 'decision')?.mode;
}

/** A reply that nobody cut short. */
function checkWhole(played: Played, mode: ThinkingMode, behaviour: 'think' | 'fast'): void {
  checkInvariants(played);
  const { bench, finish, reply, what } = played;
  const decision = bench.of('request 1').find((event) => event.type === 'decision');
  assert.equal(decision?.mode, behaviour, what);
  assert.equal(decision?.source, mode === 'auto' ? 'model' : 'request', what);
  assert.equal(bench.text('request 1', 'reasoning'), reply.reasoning, what);
  assert.equal(bench.text('request 1', 'answer'), reply.answer, what);
  assert.ok(bench.text('request 1', 'preamble').startsWith(reply.preamble), what);
  assert.equal(finish.thinkingEnd, behaviour === 'think' ? 'natural' : null, what);
  assert.equal(finish.reason, 'stop', what);
}

/** Thinking that was closed at its budget: to the token, less what an unfinished character would take. */
function checkBudget(played: Played, budget: number): void {
  checkInvariants(played);
  const { bench, finish, reply, vocabulary, what } = played;
  const written = vocabulary.encode(reply.text.slice(0, reply.thoughtStart)).length;
  const forced = bench.tokens('request 1').findIndex((token) => token.forced);
  const numThinking = forced - written;
  assert.ok(forced >= 0 && numThinking <= budget, `${what}: ${numThinking}`);
  assert.ok(numThinking > budget - 3, `${what}: only ${numThinking}`);
  assert.equal(bench.text('request 1', 'answer'), reply.answer, what);
  assert.equal(finish.thinkingEnd, modeOf(bench) === 'think' ? 'budget' : null, what);
}

describe('The corpus: every protocol, mode and token split', () => {
  for (const protocol of Object.values(BUILTIN_PROTOCOLS)) {
    const wording = wordingOf(protocol);

    it(`${protocol.name}: each byte reaches its section, and the mode is told`, async () => {
      for (const [[mode, behaviour], split] of sample.of(pairs(behaviours(protocol), SPLITS))) {
        checkWhole(await play({ protocol, mode, behaviour, split, wording }), mode, behaviour);
      }
    });

    it(`${protocol.name}: a stop string ends the answer and passes over the thinking`, async () => {
      for (const [[mode, behaviour], split] of sample.of(pairs(behaviours(protocol), SPLITS))) {
        const played = await play({ protocol, mode, behaviour, split, wording, stop: ['##'] });
        checkInvariants(played);
        const { bench, finish, reply, what } = played;
        assert.equal(finish.stopString, '##', what);
        assert.equal(bench.text('request 1', 'reasoning'), reply.reasoning, what);
        const [before] = reply.answer.split('##');
        assert.equal(bench.text('request 1', 'answer'), before, what);
      }
    });

    it(`${protocol.name}: no budget is exceeded by a token, and the answer follows`, async () => {
      const long = { ...wording, reasoning: 'αβ 中γ '.repeat(160) };
      const thinking = [...behaviours(protocol)].filter(([, behaviour]) => behaviour === 'think');
      const cases = sample.of(pairs(thinking, [...BUDGETS.entries()]));
      for (const [[mode, behaviour], [index, budget]] of cases) {
        const split = index % 2 === 0 ? 'whole' : 'bytes';
        const of = { protocol, mode, behaviour, split, wording: long, budget } as const;
        checkBudget(await play(of), budget);
      }
    });

    it(`${protocol.name}: a maximum ends any reply with nothing lost`, async () => {
      for (const [[mode, behaviour], most] of sample.of(pairs(behaviours(protocol), MAXIMA))) {
        const maxTokens = most ?? 40 + random.below(60);
        const split = SPLITS[random.below(3)] ?? 'bytes';
        const played = await play({ protocol, mode, behaviour, split, wording, maxTokens });
        assert.ok(played.finish.usage.completionTokens <= maxTokens, played.what);
        checkInvariants(played);
      }
    });
  }

  after(() => {
    console.log(`${numCases} cases`);
    assert.ok(numCases >= (isWholeCorpus ? 400 : 100), `only ${numCases} cases ran`);
  });
});
