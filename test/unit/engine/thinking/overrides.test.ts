import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FinishEvent } from '../../../../src/engine/generation.ts';
import type { ThinkingRequest } from '../../../../src/engine/thinking/decision.ts';
import {
  BLANK_LINE,
  bytesOf,
  CLOSE,
  EOS,
  EXIT,
  idsOf,
  NEWLINE,
  OPEN,
  PROTOCOL_TOKENS,
} from '../../../helpers/byte-tokens.ts';
import {
  type BenchOptions,
  EngineBench,
  promptOf,
  requestOf,
} from '../../../helpers/engine-bench.ts';
import type { Script } from '../../../helpers/scripted-runner.ts';

const ID = 'request 1';
const THINKING = requestOf([1]).thinking;
const WAIT = bytesOf('Wait');

interface Run {
  readonly thinking?: Partial<ThinkingRequest>;
  readonly stop?: readonly string[];
  readonly maxTokens?: number;
  readonly options?: BenchOptions;
}

async function run(script: Script, of: Run = {}): Promise<[EngineBench, FinishEvent]> {
  const bench = new EngineBench({ slotCapacity: 1024, ...of.options });
  const request = requestOf(promptOf(1, 5), {
    maxTokens: of.maxTokens ?? 800,
    stop: of.stop ?? [],
    thinking: { ...THINKING, ...of.thinking },
  });
  return [bench, await bench.submit({ request, script })];
}

/** Thinks for ever until its block is closed, then answers. */
function thinksForever(words: string): Script {
  const ids = bytesOf(words);
  return (generated) => {
    const closed = generated.indexOf(CLOSE);
    if (closed < 0) return ids[generated.length % ids.length] ?? EOS;
    return bytesOf('Yes.')[generated.length - closed - 1] ?? EOS;
  };
}

/** Words that do not repeat within the tokens of a test. */
const VARIED = Array.from({ length: 400 }, (_, i) => `${i * 7919} `).join('');

describe('The extension', () => {
  const tokens = { ...PROTOCOL_TOKENS, extension: WAIT };
  /** Closes its block after every 'Hm.', however it was prolonged. */
  const closer: Script = (generated) => {
    if (generated.includes(CLOSE)) {
      return bytesOf('Yes.')[generated.length - generated.indexOf(CLOSE) - 1] ?? EOS;
    }
    const since = generated.length - 1 - generated.lastIndexOf('t'.charCodeAt(0));
    return [...bytesOf('Hm.'), CLOSE][since] ?? EOS;
  };

  it('is written in place of the close tag, as often as asked', async () => {
    for (const extensions of [0, 1, 3]) {
      const [bench, finish] = await run(closer, { thinking: { extensions }, options: { tokens } });
      assert.equal(bench.text(ID, 'reasoning'), `Hm.${'WaitHm.'.repeat(extensions)}`);
      assert.equal(bench.text(ID, 'answer'), 'Yes.');
      assert.equal(finish.thinkingEnd, 'natural');
      const forced = bench.tokens(ID).filter((token) => token.forced);
      assert.equal(forced.length, extensions * WAIT.length);
      assert.deepEqual(finish.interventions, { extensions, loopBreaks: 0 });
    }
  });

  it('also replaces an end of the turn in the block', async () => {
    const script: Script = (generated) => {
      const token = closer(generated);
      return token === CLOSE && generated.length === 3 ? EOS : token;
    };
    const [bench] = await run(script, { thinking: { extensions: 1 }, options: { tokens } });
    assert.equal(bench.text(ID, 'reasoning'), 'Hm.WaitHm.');
  });

  it('does not go beyond the budget', async () => {
    for (const budget of [6, 7, 8, 12, 20]) {
      const thinking = { extensions: 9, budget };
      const [bench, finish] = await run(closer, { thinking, options: { tokens } });
      const closed = bench.tokens(ID).findIndex(({ tokenId }) => tokenId === CLOSE);
      assert.ok(closed <= budget + EXIT.length - 1, `${closed} for ${budget}`);
      assert.equal(bench.text(ID, 'answer'), 'Yes.');
      assert.equal(finish.thinkingEnd === 'budget' || finish.thinkingEnd === 'natural', true);
    }
  });

  it('does not change a direct answer', async () => {
    const ids = [BLANK_LINE, CLOSE, ...bytesOf('No.')];
    const script: Script = (generated) => ids[generated.length] ?? EOS;
    const [bench] = await run(script, { thinking: { extensions: 2 }, options: { tokens } });
    assert.equal(bench.text(ID, 'reasoning'), '');
    assert.equal(bench.text(ID, 'answer'), 'No.');
  });
});

describe('The loop breaker', () => {
  it('closes thinking that repeats itself, and the answer follows', async () => {
    const [bench, finish] = await run(thinksForever('So it is. '), {
      thinking: { breakLoops: true },
    });
    assert.equal(finish.thinkingEnd, 'loop');
    assert.deepEqual(finish.interventions, { extensions: 0, loopBreaks: 1 });
    assert.equal(finish.reason, 'stop');
    assert.equal(bench.text(ID, 'answer'), 'Yes.');
    assert.equal(
      bench.tokens(ID).findIndex(({ forced }) => forced),
      64,
    );
  });

  it('does nothing to thinking without a loop, and nothing unless requested', async () => {
    const [, varied] = await run(thinksForever(VARIED), {
      thinking: { breakLoops: true, budget: 600 },
    });
    assert.equal(varied.thinkingEnd, 'budget');
    const [, unasked] = await run(thinksForever('So it is. '), { thinking: { budget: 600 } });
    assert.equal(unasked.thinkingEnd, 'budget');
  });
});

describe('Answer now', () => {
  /** Asks for the answer at a call of the runner. */
  function askedAt(
    call: number,
  ): [() => boolean | null, BenchOptions, (engine: EngineBench) => void] {
    let bench: EngineBench | undefined;
    let answer: boolean | null = null;
    const onCall = (_: unknown, index: number): void => {
      if (index === call) answer = bench?.engine.answerNow(ID) ?? null;
    };
    return [() => answer, { onCall, slotCapacity: 1024 }, (of) => (bench = of)];
  }

  async function ask(call: number, script: Script): Promise<[EngineBench, FinishEvent, unknown]> {
    const [answer, options, attach] = askedAt(call);
    const bench = new EngineBench(options);
    attach(bench);
    const request = requestOf(promptOf(1, 5), { maxTokens: 800 });
    const finish = await bench.submit({ request, script });
    return [bench, finish, answer()];
  }

  it('closes the thinking with the next token', async () => {
    const [bench, finish, told] = await ask(20, thinksForever(VARIED));
    assert.equal(told, true);
    assert.equal(finish.thinkingEnd, 'client');
    assert.equal(bench.text(ID, 'answer'), 'Yes.');
    assert.equal(
      bench.tokens(ID).findIndex(({ forced }) => forced),
      20,
    );
  });

  it('before the first token leads to a direct answer, at the request of the client', async () => {
    const [bench, finish] = await ask(0, thinksForever(VARIED));
    const decision = bench.of(ID).find((event) => event.type === 'decision');
    assert.deepEqual([decision?.mode, decision?.source], ['fast', 'request']);
    assert.equal(finish.thinkingEnd, null);
    assert.equal(bench.text(ID, 'answer'), 'Yes.');
  });

  it('finishes a character that has begun', async () => {
    const [bench, finish] = await ask(3, thinksForever('中中中中'));
    assert.equal(bench.text(ID, 'reasoning'), '中');
    assert.equal(finish.thinkingEnd, 'client');
  });

  it('does nothing to an answer or to an unknown request', async () => {
    const ids = [...bytesOf('Hm'), CLOSE, ...bytesOf('Yes, and more.')];
    const [bench, finish, told] = await ask(8, (generated) => ids[generated.length] ?? EOS);
    assert.equal(told, false);
    assert.equal(finish.thinkingEnd, 'natural');
    assert.equal(bench.text(ID, 'answer'), 'Yes, and more.');
    assert.equal(bench.engine.answerNow('nobody'), false);
  });
});

describe('A block that is opened again', () => {
  /** Opens its block again right after every close, twice. */
  const reopener: Script = (generated) => {
    const last = generated.lastIndexOf(CLOSE);
    if (last < 0) return 97;
    const closes = generated.filter((id) => id === CLOSE).length;
    const since = generated.length - last - 1;
    if (closes > 2) return bytesOf('Yes.')[since] ?? EOS;
    return since === 0 ? OPEN : 98;
  };

  it('after the budget was spent gets no more of it', async () => {
    const [bench, finish] = await run(reopener, { thinking: { budget: 7 } });
    assert.equal(bench.text(ID, 'reasoning'), 'aaaaaaa');
    assert.equal(bench.text(ID, 'answer'), 'Yes.');
    assert.equal(finish.thinkingEnd, 'budget');
  });

  it("on the model's own account goes on thinking, within one budget", async () => {
    const ids = idsOf('aaa</think>\n<think>bbb</think>Yes.');
    const script: Script = (generated) => ids[generated.length] ?? EOS;
    const [bench, finish] = await run(script);
    assert.equal(bench.text(ID, 'reasoning'), 'aaabbb');
    assert.equal(bench.text(ID, 'answer'), 'Yes.');
    assert.equal(finish.thinkingEnd, 'natural');
    assert.equal(finish.usage.reasoningTokens, idsOf('aaa</think>\n<think>bbb</think>').length);
  });
});

describe('Why the thinking ended', () => {
  it('stop strings in the thinking end the request where requested', async () => {
    const [bench, finish] = await run(thinksForever('Hm, a STOP b. '), {
      stop: ['STOP'],
      thinking: { stopInThinking: true },
    });
    assert.deepEqual([finish.reason, finish.stopString], ['stop', 'STOP']);
    assert.equal(finish.thinkingEnd, 'stop');
    assert.equal(bench.text(ID, 'reasoning'), 'Hm, a ');
    const ids = idsOf('Hm, a STO</think>P STO');
    const script: Script = (generated) => ids[generated.length] ?? EOS;
    const [kept] = await run(script, { stop: ['STOP'], thinking: { stopInThinking: true } });
    assert.equal(kept.text(ID, 'reasoning'), 'Hm, a STO');
    assert.equal(kept.text(ID, 'answer'), 'P STO');
  });

  it('is the maximum, an abort or an error where those end the request', async () => {
    const [, cut] = await run(thinksForever(VARIED), {
      maxTokens: 30,
      thinking: { answerFloor: 10 },
    });
    assert.equal(cut.thinkingEnd, 'max_tokens');
    const failing = (_: unknown, index: number): void => {
      if (index === 9) throw new Error('The device is gone.');
    };
    const [, failed] = await run(thinksForever(VARIED), { options: { onCall: failing } });
    assert.deepEqual([failed.reason, failed.thinkingEnd], ['error', 'error']);
    let bench: EngineBench | undefined;
    const aborting = (_: unknown, index: number): void => {
      if (index === 9) bench?.engine.abort(ID);
    };
    bench = new EngineBench({ onCall: aborting });
    const aborted = await bench.submit({
      request: requestOf(promptOf(1, 5)),
      script: thinksForever(VARIED),
    });
    assert.deepEqual([aborted.reason, aborted.thinkingEnd], ['abort', 'abort']);
  });
});

describe('A mode whose thinking is the absence of a close tag', () => {
  it('bans the tag while the block is empty, and no longer', async () => {
    const tokens = { ...PROTOCOL_TOKENS, banFirst: { think: [CLOSE] } };
    const script: Script = (generated) => {
      if (generated.includes(CLOSE)) return EOS;
      const close = new Map([
        [CLOSE, 0.9],
        [generated.length === 0 ? NEWLINE : 97, 0.05],
      ]);
      return { tokenId: CLOSE, probabilities: close };
    };
    const [bench] = await run(script, { thinking: { requested: 'think' }, options: { tokens } });
    assert.equal(bench.text(ID, 'reasoning'), 'a');
    const [auto] = await run(script, { options: { tokens } });
    assert.equal(auto.text(ID, 'reasoning'), '');
  });
});
