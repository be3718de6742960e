import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FinishEvent, GenerationRequest } from '../../../src/engine/generation.ts';
import {
  BLANK_LINE,
  bytesOf,
  CLOSE,
  CLOSE_TAIL,
  EOS,
  idsOf,
  NEWLINE,
  OPEN,
} from '../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf, writes } from '../../helpers/engine-bench.ts';
import type { Script } from '../../helpers/scripted-runner.ts';
import { TextConstraint } from '../../helpers/text-constraint.ts';

const THINKING = requestOf([1]).thinking;
const FAST = { ...THINKING, requested: 'fast', source: 'request', start: 'answer-start' } as const;
const THINK = { ...THINKING, requested: 'think', source: 'request', start: 'block-start' } as const;
/** Before any tag, as where the model opens the block itself. */
const OUTSIDE = { ...THINKING, start: 'outside' } as const;

interface Result {
  readonly finish: FinishEvent;
  readonly answer: string;
  readonly reasoning: string;
  readonly tokenIds: readonly number[];
  readonly decision: unknown;
  readonly constraint: TextConstraint;
}

async function run(
  script: Script,
  parts: Partial<GenerationRequest>,
  texts: readonly string[] | null,
): Promise<Result> {
  const constraint = new TextConstraint(texts ?? []);
  const bench = new EngineBench({ openConstraint: () => constraint });
  const grammar = texts === null ? null : 'some grammar';
  const request = requestOf(promptOf(1, 5), { grammar, maxTokens: 60, ...parts });
  const finish = await bench.submit({ request, script });
  return {
    finish,
    constraint,
    answer: bench.text(request.id, 'answer'),
    reasoning: bench.text(request.id, 'reasoning'),
    tokenIds: bench.tokens(request.id).map(({ tokenId }) => tokenId),
    decision: bench.of(request.id).find(({ type }) => type === 'decision'),
  };
}

describe('an answer under a constraint', () => {
  it('is what the constraint allows, whatever the model prefers', async () => {
    const { answer, finish, constraint } = await run(
      writes(bytesOf('Nonsense and more of it')),
      { thinking: FAST },
      ['{"a": 1}'],
    );
    assert.equal(answer, '{"a": 1}');
    assert.equal(finish.reason, 'stop');
    assert.ok(constraint.isClosed);
  });

  it('is the model’s own where the constraint leaves a choice', async () => {
    const { answer } = await run(writes(bytesOf('no!')), { thinking: FAST }, ['yes', 'no', 'nod']);
    assert.equal(answer, 'no');
  });

  it('cannot end before it is complete', async () => {
    const ends: Script = () => EOS;
    for (const thinking of [FAST, OUTSIDE]) {
      const { answer, finish } = await run(ends, { thinking }, ['done']);
      assert.equal(answer, 'done');
      assert.equal(finish.reason, 'stop');
    }
  });

  it('ends where it is complete, even before a least number of tokens', async () => {
    const { answer, finish } = await run(writes([]), { thinking: FAST, minTokens: 9 }, ['ok']);
    assert.deepEqual([answer, finish.reason], ['ok', 'stop']);
  });

  it('is cut off by max_tokens like any other', async () => {
    const { answer, finish } = await run(writes([]), { thinking: FAST, maxTokens: 3 }, ['abcdef']);
    assert.deepEqual([answer, finish.reason], ['abc', 'length']);
  });

  it('is sampled, penalised and reported like any other', async () => {
    const sampling = { ...requestOf([1]).sampling, temperature: 1, seed: 3, frequencyPenalty: 1 };
    const { answer } = await run(
      writes(bytesOf('zz')),
      { thinking: FAST, sampling, topLogprobs: 2 },
      ['left', 'right'],
    );
    assert.ok(['left', 'right'].includes(answer), answer);
  });
});

describe('thinking before an answer under a constraint', () => {
  const script = writes(idsOf('\nHm, {"x"}.\n</think>\nNonsense'));

  it('is the same as without a constraint, and so is the decision', async () => {
    const free = await run(script, {}, null);
    const held = await run(script, {}, ['{"a": 1}']);
    assert.equal(held.reasoning, free.reasoning);
    assert.equal(held.answer, '{"a": 1}');
    assert.deepEqual(held.decision, free.decision);
    const numReasoning = free.finish.usage.reasoningTokens;
    assert.equal(held.finish.usage.reasoningTokens, numReasoning);
    assert.deepEqual(held.tokenIds.slice(0, numReasoning), free.tokenIds.slice(0, numReasoning));
  });

  it('does not happen where the model answers directly', async () => {
    const direct = writes([BLANK_LINE, CLOSE, ...bytesOf('Nonsense')]);
    const free = await run(direct, {}, null);
    const held = await run(direct, {}, ['[]']);
    assert.deepEqual(held.decision, free.decision);
    assert.deepEqual([held.answer, held.reasoning], ['[]', '']);
  });

  it('ends at its budget with the exit text, after which the constraint holds', async () => {
    const long = writes(idsOf('\nOn and on and on and on'));
    const thinking = { ...THINK, budget: 6 };
    const { answer, finish, reasoning } = await run(long, { thinking }, ['{}']);
    assert.equal(finish.thinkingEnd, 'budget');
    assert.equal(reasoning, 'On an');
    assert.equal(answer, '{}');
  });

  it('is not ended by a token that begins an answer against the constraint', async () => {
    const straddles: Script = (generated) => {
      const wanted = [NEWLINE, ...bytesOf('Hm</'), CLOSE_TAIL];
      return wanted[generated.length] ?? CLOSE;
    };
    const { answer, tokenIds } = await run(straddles, { thinking: THINK }, ['{}']);
    assert.ok(!tokenIds.includes(CLOSE_TAIL));
    assert.equal(answer, '{}');
  });

  it('may be opened by the model itself, in one token or in pieces', async () => {
    for (const open of [[OPEN], bytesOf('<think>')]) {
      const opens = writes([...open, NEWLINE, ...bytesOf('Hm.'), CLOSE, ...bytesOf('Nonsense')]);
      const free = await run(opens, { thinking: OUTSIDE }, null);
      for (const texts of [['{}'], ['<tool_call>']]) {
        const held = await run(opens, { thinking: OUTSIDE }, texts);
        assert.equal(held.reasoning, free.reasoning);
        assert.deepEqual(held.decision, free.decision);
        assert.equal(held.answer, texts[0]);
      }
    }
  });

  it('is not required: a direct answer begins as the constraint allows', async () => {
    const answers = writes(bytesOf('Nonsense'));
    const { answer, decision } = await run(answers, { thinking: OUTSIDE }, ['{}']);
    assert.equal(answer, '{}');
    const free = await run(answers, { thinking: OUTSIDE }, null);
    assert.deepEqual(decision, free.decision);
  });

  it('does not start from endless white space', async () => {
    const { answer } = await run(() => NEWLINE, { thinking: OUTSIDE }, ['{}']);
    assert.equal(answer.trim(), '{}');
    assert.ok(answer.length < 10);
  });
});

describe('a slow constraint', () => {
  it('delays only its own request', async () => {
    const constraint = new TextConstraint(['{}'], { isHeld: true });
    const bench = new EngineBench({ openConstraint: () => constraint });
    const slow = requestOf(promptOf(1, 5), { grammar: 'g', thinking: FAST });
    const quick = requestOf(promptOf(2, 5), { thinking: FAST });
    const first = bench.submit({ request: slow, script: writes([]) });
    const { reason } = await bench.submit({ request: quick, script: writes(bytesOf('Hi')) });
    assert.equal(reason, 'stop');
    assert.equal(bench.isFinished(slow.id), false);
    constraint.release();
    assert.equal((await first).reason, 'stop');
    assert.equal(bench.text(slow.id, 'answer'), '{}');
  });

  it('can be aborted while the request waits for it', async () => {
    const constraint = new TextConstraint(['{}'], { isHeld: true });
    const bench = new EngineBench({ openConstraint: () => constraint });
    const request = requestOf(promptOf(1, 5), { grammar: 'g', thinking: FAST });
    const finished = bench.submit({ request, script: writes([]) });
    bench.engine.abort(request.id);
    assert.equal((await finished).reason, 'abort');
    assert.ok(constraint.isClosed);
  });

  it('ends its own request with an error when it fails', async () => {
    const constraint = new TextConstraint(['{}']);
    constraint.failure = 'The grammar is no grammar.';
    const bench = new EngineBench({ openConstraint: () => constraint });
    const request = requestOf(promptOf(1, 5), { grammar: 'g', thinking: FAST });
    const finish = await bench.submit({ request, script: writes([]) });
    assert.equal(finish.reason, 'error');
    assert.equal(finish.detail, 'The grammar is no grammar.');
  });
});

describe('a tag that has begun', () => {
  it('is completed, because a broken tag would become the answer', async () => {
    const plan = bytesOf('<think>\nHm.\n</think>\n');
    const script: Script = (generated) => {
      const next = plan[generated.length] ?? EOS;
      const likely = new Map([
        [EOS, 0.6],
        [next, 0.3],
      ]);
      return generated.length === 1 ? { tokenId: EOS, probabilities: likely } : next;
    };
    const held = await run(script, { thinking: OUTSIDE }, ['[]']);
    assert.equal(held.reasoning, 'Hm.');
    assert.equal(held.answer.trim(), '[]');
    const free = await run(script, { thinking: OUTSIDE }, null);
    assert.equal(free.answer, '<', 'without a constraint the model may end where it likes');
  });
});
