import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type NextToken,
  ThinkingController,
  type TokenSampler,
} from '../../../../src/engine/thinking/controller.ts';
import type { ThinkingRequest } from '../../../../src/engine/thinking/decision.ts';
import { probeTree } from '../../../../src/engine/thinking/probe.ts';
import { grammarOf } from '../../../../src/engine/thinking/protocol-grammar.ts';
import type { ProtocolTokens } from '../../../../src/engine/thinking/protocol-tokens.ts';
import type { Section, TokenSection } from '../../../../src/engine/thinking/section-parser.ts';
import {
  BLANK_LINE,
  bytesOf,
  CLOSE,
  CLOSE_TAIL,
  EOS,
  EXIT,
  idsOf,
  NEWLINE,
  OPEN,
  PROTOCOL,
  PROTOCOL_TOKENS,
  tokenBytes,
  VOCAB_SIZE,
} from '../../../helpers/byte-tokens.ts';
import { Random } from '../../../helpers/random.ts';

const AUTO: ThinkingRequest = {
  requested: 'auto',
  source: 'policy',
  start: 'block-start',
  budget: null,
  answerFloor: 0,
};
const THINK: ThinkingRequest = { ...AUTO, requested: 'think', source: 'request' };
const FAST: ThinkingRequest = {
  ...AUTO,
  requested: 'fast',
  source: 'request',
  start: 'answer-start',
};
const SELF_OPENED: ThinkingRequest = { ...AUTO, start: 'outside' };

interface Run {
  readonly request?: ThinkingRequest;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly tokens?: ProtocolTokens;
}

interface Outcome {
  readonly controller: ThinkingController;
  readonly generated: number[];
  readonly forced: number[];
  readonly sections: (TokenSection | null)[];
  readonly text: Record<Section, string>;
  readonly stop: string | null;
  /** Tokens sampled inside the block. */
  readonly numThinking: number;
}

/** What the model writes: its thinking, and once the block is closed, its answer and the end of its turn. */
function model(
  thinking: readonly number[],
  answer = 'Yes.',
): (generated: readonly number[]) => number {
  const after = [...bytesOf(answer), EOS];
  return (generated) => {
    const closed = generated.findIndex((id) => id === CLOSE || id === CLOSE_TAIL);
    if (closed < 0) return thinking[generated.length] ?? EOS;
    return after[generated.length - closed - 1] ?? EOS;
  };
}

function controllerOf(run: Run): ThinkingController {
  const { request = AUTO, maxTokens = 1000, stop = [], tokens = PROTOCOL_TOKENS } = run;
  return new ThinkingController({
    grammar: grammarOf(PROTOCOL),
    tokens,
    probe: tokens.probe === null ? null : probeTree(tokens.probe),
    request,
    maxTokens,
    stop,
    ending: { endOfTurn: new Set([EOS]), stopTokenIds: new Set(), minTokens: 0 },
    constraint: null,
    greedy: true,
    tokenBytes,
  });
}

/** A sampler that draws one token, whatever the logits are. */
function sure(sample: () => number): TokenSampler {
  return { sample, sampleTogether: (versions) => versions.map(sample) };
}

/** The next token of a model that is sure of `tokenId`. */
function take(
  controller: ThinkingController,
  tokenId: number,
  logits = new Float32Array(VOCAB_SIZE),
): NextToken {
  return controller.next(
    logits,
    sure(() => tokenId),
  );
}

/** Runs a controller to its end, with a model that is sure of every token. */
function drive(next: (generated: readonly number[]) => number, run: Run = {}): Outcome {
  const { maxTokens = 1000 } = run;
  const controller = controllerOf(run);
  const generated: number[] = [];
  const forced: number[] = [];
  const sections: Outcome['sections'] = [];
  const text: Outcome['text'] = { preamble: '', reasoning: '', answer: '', delimiter: '' };
  let numThinking = 0;
  let found: string | null = null;
  while (generated.length < maxTokens && found === null && generated.at(-1) !== EOS) {
    const choice = controller.next(
      new Float32Array(VOCAB_SIZE),
      sure(() => next(generated)),
    );
    const { section, pieces, stop } = choice;
    if (choice.forced) forced.push(choice.tokenId);
    generated.push(choice.tokenId);
    sections.push(section);
    if (!choice.forced && section === 'reasoning') numThinking++;
    for (const piece of pieces) text[piece.section] += piece.text;
    found = stop;
  }
  const rest = found === null ? controller.finish() : { pieces: [], stop: found };
  for (const piece of rest.pieces) text[piece.section] += piece.text;
  return { controller, generated, forced, sections, text, stop: rest.stop, numThinking };
}

const THOUGHT = idsOf('\nHm, 2 and 2.\n</think>');

describe('ThinkingController: the decision', () => {
  it("is 'think' where the text shows thinking", () => {
    const { controller, text, forced } = drive(model(THOUGHT));
    assert.equal(controller.decision?.mode, 'think');
    assert.equal(controller.decision?.source, 'model');
    assert.deepEqual(text, {
      preamble: '',
      reasoning: 'Hm, 2 and 2.',
      answer: 'Yes.',
      delimiter: '\n\n</think>',
    });
    assert.equal(controller.summary().thinkingEnd, 'natural');
    assert.equal(controller.summary().numReasoning, THOUGHT.length);
    assert.deepEqual(forced, []);
  });

  it("is 'fast' where the text shows a direct answer", () => {
    for (const block of [[BLANK_LINE, CLOSE], [CLOSE], idsOf(' \n\t</think>')]) {
      const { controller, text } = drive(model(block));
      assert.equal(controller.decision?.mode, 'fast');
      assert.equal(controller.decision?.source, 'model');
      assert.equal(text.reasoning, '');
      assert.equal(text.answer, 'Yes.');
      assert.equal(controller.summary().thinkingEnd, null);
      assert.equal(controller.summary().numReasoning, 0);
    }
  });

  it('is known before the first token where the prompt holds the tags', () => {
    for (const [request, mode] of [
      [THINK, 'think'],
      [FAST, 'fast'],
    ] as const) {
      const controller = drive(() => EOS, { request, maxTokens: 0 }).controller;
      assert.deepEqual(controller.decision, {
        requested: mode,
        mode,
        source: 'request',
        pThink: null,
        pThinkBiased: null,
        residual: null,
      });
    }
    const policy = drive(() => EOS, { request: { ...FAST, source: 'policy' }, maxTokens: 0 });
    assert.equal(policy.controller.decision?.source, 'policy');
    const prompt = drive(() => EOS, { request: { ...AUTO, start: 'answer-start' }, maxTokens: 0 });
    assert.deepEqual(
      [prompt.controller.decision?.mode, prompt.controller.decision?.source],
      ['fast', 'prompt'],
    );
  });

  it('is not known while the block holds only white space', () => {
    const controller = controllerOf({});
    const modes = [NEWLINE, NEWLINE, 97].map((id) => {
      take(controller, id);
      return controller.decision?.mode ?? null;
    });
    assert.deepEqual(modes, [null, null, 'think']);
  });

  it('is made at the end where the text never showed one', () => {
    const mode = (request: ThinkingRequest, ids: readonly number[]): unknown => {
      const { controller } = drive((generated) => ids[generated.length] ?? EOS, {
        request,
        maxTokens: ids.length,
        tokens: { ...PROTOCOL_TOKENS, exit: [] },
      });
      return controller.decision?.mode;
    };
    assert.equal(mode(AUTO, [NEWLINE]), 'think', 'the block is open');
    assert.equal(mode(SELF_OPENED, bytesOf(' <th')), 'fast', 'no block was opened');
  });

  it('measures p(think) once, at the first position of an open block, in auto mode only', () => {
    const logits = new Float32Array(VOCAB_SIZE).fill(-100);
    logits[NEWLINE] = Math.log(0.6);
    logits[BLANK_LINE] = Math.log(0.2);
    logits[65] = Math.log(0.2);
    const measure = (request: ThinkingRequest, before: readonly number[]): number | null => {
      const controller = controllerOf({ request });
      for (const id of before) take(controller, id);
      const [first = -1, ...rest] = idsOf('x</think>');
      take(controller, first, logits);
      for (const id of rest) take(controller, id);
      return controller.decision?.pThink ?? null;
    };
    assert.ok(Math.abs((measure(AUTO, []) ?? 0) - 0.75) < 1e-6);
    assert.ok(Math.abs((measure(SELF_OPENED, [OPEN]) ?? 0) - 0.75) < 1e-6);
    assert.ok(Math.abs((measure(SELF_OPENED, bytesOf('<think>')) ?? 0) - 0.75) < 1e-6);
    assert.equal(measure(AUTO, [NEWLINE]), 0.5, 'from the first position, not the second');
    assert.equal(measure(THINK, []), null);
    assert.equal(measure(FAST, []), null);
    assert.equal(measure(SELF_OPENED, bytesOf('Yes')), null, 'there was no block');
  });

  it('enforces a direct answer, whatever the model begins', () => {
    const { controller, text, forced } = drive(model(THOUGHT), {
      request: { ...FAST, start: 'block-start' },
    });
    assert.deepEqual(
      [controller.decision?.requested, controller.decision?.mode, controller.decision?.source],
      ['fast', 'fast', 'request'],
    );
    assert.equal(text.reasoning, '');
    assert.equal(text.answer, 'Yes.');
    assert.deepEqual(forced, EXIT);
  });

  it('reports that a request to think got a direct answer from the model', () => {
    const { controller } = drive(model([OPEN, BLANK_LINE, CLOSE]), {
      request: { ...THINK, start: 'outside' },
    });
    assert.deepEqual(
      [controller.decision?.requested, controller.decision?.mode, controller.decision?.source],
      ['think', 'fast', 'model'],
    );
  });
});

describe('ThinkingController: the budget', () => {
  const words = 'abcd '.repeat(100);
  const endless = model(bytesOf(words));

  it('takes exactly the budget, writes the exit text once, and leaves the answer', () => {
    for (const budget of [0, 1, 2, 7, 64]) {
      const { numThinking, forced, text, controller } = drive(endless, {
        request: { ...AUTO, budget },
      });
      assert.equal(numThinking, budget);
      assert.deepEqual(forced, EXIT);
      assert.equal(text.answer, 'Yes.');
      assert.equal(text.reasoning, words.slice(0, budget).trimEnd());
      assert.equal(controller.summary().numReasoning, budget === 0 ? 0 : budget + EXIT.length);
      assert.equal(controller.summary().effectiveBudget, budget);
      assert.equal(controller.summary().thinkingEnd, budget === 0 ? null : 'budget');
      assert.equal(controller.decision?.mode, budget === 0 ? 'fast' : 'think');
      assert.equal(controller.decision?.source, budget === 0 ? 'budget' : 'model');
    }
  });

  it('does not count for a block that ends within it', () => {
    const exact = drive(model(THOUGHT), { request: { ...AUTO, budget: THOUGHT.length } });
    assert.deepEqual(exact.forced, []);
    assert.equal(exact.controller.summary().thinkingEnd, 'natural');
    const short = drive(model(THOUGHT), { request: { ...AUTO, budget: THOUGHT.length - 1 } });
    assert.deepEqual(short.forced, EXIT);
    assert.equal(short.controller.summary().thinkingEnd, 'budget');
    assert.equal(short.text.answer, 'Yes.');
  });

  it('begins no character that could not be finished within it', () => {
    const cases: [string, number, string][] = [
      ['aé', 2, 'a'],
      ['aé', 3, 'aé'],
      ['a中', 2, 'a'],
      ['a中', 3, 'a'],
      ['a中', 4, 'a中'],
      ['a👩', 4, 'a'],
      ['a👩', 5, 'a👩'],
      ['中', 0, ''],
    ];
    for (const [thought, budget, taken] of cases) {
      const run = drive(model([...bytesOf(thought), ...bytesOf('zzzzzz')]), {
        request: { ...THINK, budget },
      });
      assert.equal(run.numThinking, bytesOf(taken).length, `${thought} with ${budget}`);
      assert.equal(run.text.reasoning, taken);
      assert.deepEqual(run.forced, EXIT);
      assert.equal(run.controller.summary().thinkingEnd, 'budget');
    }
  });

  it('closes a block whose bytes never end a character', () => {
    const { numThinking, forced, text } = drive(model(new Array<number>(300).fill(0xf0)), {
      request: { ...AUTO, budget: 10 },
    });
    assert.equal(numThinking, 7);
    assert.deepEqual(forced, EXIT);
    assert.equal(text.answer, 'Yes.');
  });

  it('reserves the answer floor, whether the prompt or the model writes the open tag', () => {
    for (const request of [AUTO, SELF_OPENED, THINK]) {
      for (const [maxTokens, answerFloor] of [
        [40, 10],
        [20, 5],
        [12, 0],
        [9, 5],
      ] as const) {
        const opened = request.start === 'outside' ? 1 : 0;
        const next =
          opened === 1
            ? model([OPEN, ...bytesOf('a'.repeat(300))], 'b'.repeat(99))
            : model(bytesOf('a'.repeat(300)), 'b'.repeat(99));
        const run = drive(next, { request: { ...request, answerFloor }, maxTokens });
        const room = maxTokens - answerFloor - EXIT.length - opened;
        assert.equal(run.text.reasoning.length, room);
        assert.equal(run.text.answer.length, answerFloor);
        assert.equal(run.generated.length, maxTokens);
        assert.equal(run.controller.summary().effectiveBudget, room);
        assert.equal(run.controller.summary().thinkingEnd, 'max_tokens');
      }
    }
  });

  it('is the smaller of the requested budget and the room left', () => {
    const effective = (budget: number | null, maxTokens: number, answerFloor: number): number =>
      drive(() => EOS, {
        request: { ...AUTO, budget, answerFloor },
        maxTokens,
      }).controller.summary().effectiveBudget;
    assert.equal(effective(5, 100, 10), 5);
    assert.equal(effective(95, 100, 10), 88);
    assert.equal(effective(null, 100, 10), 88);
    assert.equal(effective(3, 5, 10), 0);
  });

  it('answers fast where the maximum leaves no room to think', () => {
    const run = drive(endless, { request: { ...AUTO, answerFloor: 8 }, maxTokens: 10 });
    assert.equal(run.controller.decision?.mode, 'fast');
    assert.equal(run.controller.decision?.source, 'budget');
    assert.equal(run.text.answer, 'Yes.');
  });

  it('names the budget as the source when the exit text itself fills the block', () => {
    const exit = [...bytesOf('Time is up.'), CLOSE];
    const run = drive(endless, {
      request: { ...AUTO, budget: 0 },
      tokens: { ...PROTOCOL_TOKENS, exit },
    });
    assert.deepEqual(run.forced, exit);
    assert.equal(run.controller.decision?.source, 'budget');
    assert.equal(run.text.answer, 'Yes.');
  });

  it('does not act on an answer, however long', () => {
    const { forced, text } = drive(model([BLANK_LINE, CLOSE], 'b'.repeat(300)), {
      request: { ...AUTO, budget: 3 },
    });
    assert.deepEqual(forced, []);
    assert.equal(text.answer.length, 300);
  });
});

describe('ThinkingController: the end of the turn', () => {
  it('inside the block closes the block instead, and the answer follows', () => {
    const { text, forced, controller, generated } = drive(model(bytesOf('Hm')));
    assert.deepEqual(text, {
      preamble: '',
      reasoning: 'Hm',
      answer: 'Yes.',
      delimiter: '\n</think>',
    });
    assert.deepEqual(forced, EXIT);
    assert.equal(controller.summary().thinkingEnd, 'stop');
    assert.equal(generated.filter((id) => id === EOS).length, 1);
  });

  it('is accepted in the answer, before any tag, and a second time in a block that stays open', () => {
    assert.equal(drive(model(THOUGHT, '')).generated.at(-1), EOS);
    assert.deepEqual(drive(() => EOS, { request: SELF_OPENED }).generated, [EOS]);
    const broken = { ...PROTOCOL_TOKENS, exit: bytesOf('...') };
    const run = drive((generated) => (generated.length < 2 ? 97 : EOS), { tokens: broken });
    assert.equal(run.generated.at(-1), EOS);
    assert.equal(run.text.reasoning, 'aa...');
  });

  it('in a block still empty leads to a direct answer', () => {
    const { controller, text } = drive(model([NEWLINE]));
    assert.equal(controller.decision?.mode, 'fast');
    assert.equal(text.answer, 'Yes.');
  });
});

describe('ThinkingController: stop strings', () => {
  const stop = ['STOP'];
  const thinking = idsOf('a STOP b</think>');

  it('are not searched in the thinking, and end the answer, also across tokens', () => {
    const run = drive(model(thinking, 'one STOP two'), { stop });
    assert.equal(run.text.reasoning, 'a STOP b');
    assert.equal(run.text.answer, 'one ');
    assert.equal(run.stop, 'STOP');
    assert.equal(run.generated.length, thinking.length + 'one STOP'.length);
  });

  it('do not reach over the close tag', () => {
    const run = drive(model(idsOf('ST</think>'), 'OP.'), { stop });
    assert.equal(run.stop, null);
    assert.equal(run.text.answer, 'OP.');
  });

  it('are found in a token that also closes the block', () => {
    const run = drive(model([97, ...bytesOf('</'), CLOSE_TAIL], ', no'), { stop: ['es,'] });
    assert.equal(run.text.reasoning, 'a');
    assert.equal(run.text.answer, 'y');
    assert.equal(run.stop, 'es,');
  });

  it('that stay incomplete are sent at the end', () => {
    const run = drive(model(THOUGHT, 'one STO'), { stop });
    assert.equal(run.text.answer, 'one STO');
    assert.equal(run.stop, null);
  });

  it('are found in text that was held back as a possible tag', () => {
    const run = drive((generated) => bytesOf('<th')[generated.length] ?? EOS, {
      request: SELF_OPENED,
      maxTokens: 3,
      stop: ['<t'],
    });
    assert.equal(run.text.answer, '');
    assert.equal(run.stop, '<t');
  });
});

describe('ThinkingController: the section of each token', () => {
  it('changes with the close tag, whichever tokens spell it', () => {
    for (const close of [[CLOSE], bytesOf('</think>'), [...bytesOf('</'), CLOSE_TAIL]]) {
      const block = [...bytesOf('\nHm\n'), ...close];
      const written = [...block, NEWLINE, ...bytesOf('Yes.'), EOS];
      const { sections, controller } = drive((generated) => written[generated.length] ?? EOS);
      assert.deepEqual(
        // Right after the block a line break may still be followed by another block.
        sections.map((section) => section ?? 'answer'),
        written.map((_, i) => (i < block.length ? 'reasoning' : 'answer')),
      );
      assert.equal(controller.summary().numReasoning, block.length);
    }
  });

  it('counts the same reasoning tokens as there are tokens on the reasoning section', () => {
    const random = new Random(51);
    for (let round = 0; round < 200; round++) {
      const thought = Array.from({ length: 1 + random.below(30) }, () => 97 + random.below(4));
      const budget = random.below(2) === 0 ? null : 1 + random.below(30);
      const { sections, controller } = drive(model([...thought, CLOSE]), {
        request: { ...AUTO, budget },
      });
      const reasoning = sections.filter((section) => section === 'reasoning').length;
      assert.equal(controller.summary().numReasoning, reasoning);
    }
  });

  it('is open while an untagged answer may still be a tag, then the answer', () => {
    const next = (generated: readonly number[]): number => bytesOf('<b>')[generated.length] ?? EOS;
    const { sections, text, controller } = drive(next, { request: SELF_OPENED });
    assert.deepEqual(sections, [null, 'answer', 'answer', 'answer']);
    assert.equal(text.answer, '<b>');
    assert.deepEqual([controller.decision?.mode, controller.decision?.source], ['fast', 'model']);
  });

  it('is open while the open tag is incomplete, then the reasoning', () => {
    const text = [...bytesOf('<think>'), ...bytesOf('a'), CLOSE];
    const { sections } = drive(model(text), { request: SELF_OPENED });
    assert.deepEqual(sections.slice(0, 9), [
      ...new Array(6).fill(null),
      ...new Array(3).fill('reasoning'),
    ]);
  });
});

describe('ThinkingController: any text', () => {
  it('neither loses nor adds text, keeps the budget and answers, in 1,500 generated runs', () => {
    const random = new Random(52);
    const parts = ['a', ' ', '\n', '<', '</th', '中', '👩', 'é ', '\n\n', 'so '];
    for (let round = 0; round < 1500; round++) {
      const thought = Array.from(
        { length: random.below(25) },
        () => parts[random.below(parts.length)],
      ).join('');
      const closes = random.below(3) > 0 ? [CLOSE] : [];
      const budget = random.below(3) === 0 ? null : random.below(40);
      const run = drive(model([...bytesOf(thought), ...closes], 'Ja: 大.'), {
        request: { ...(random.below(2) === 0 ? AUTO : THINK), budget },
      });
      const bytes = run.generated.flatMap((id) => [...tokenBytes(id)]);
      const whole = new TextDecoder().decode(Uint8Array.from(bytes));
      const { reasoning, answer, delimiter } = run.text;
      assert.equal(reasoning.length + answer.length + delimiter.length, whole.length);
      assert.equal(answer, 'Ja: 大.');
      assert.doesNotMatch(reasoning, /\ufffd/);
      if (budget !== null) assert.ok(run.numThinking <= budget);
      assert.ok(run.forced.length === 0 || run.forced.length === EXIT.length);
    }
  });
});
