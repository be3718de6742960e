import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RunningServer } from '../../src/server/main.ts';
import { repetitions } from '../helpers/corpus-sample.ts';
import {
  ask,
  type HeldoutQuestion,
  post,
  readHeldout,
  requestBody,
  startShipped,
} from '../helpers/shipped-server.ts';

const CONCURRENCY = 8;

describe('The shipped model behind the real server', () => {
  let server: RunningServer;
  let heldout: HeldoutQuestion[];

  before(async () => {
    server = await startShipped();
    // A part of the questions keeps all tasks in, and the test short.
    const step = repetitions(3, 8);
    heldout = (await readHeldout()).filter((_, index) => index % step === 0);
  });
  after(() => server.close());

  /** Share of questions answered right in a forced mode, asked several at a time. */
  async function accuracy(questions: readonly HeldoutQuestion[], mode: string): Promise<number> {
    let right = 0;
    const left = [...questions];
    const worker = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const reply = await ask(server, await requestBody(next, { thinking_mode: mode }));
        const said = reply.choices[0].message.content.trim();
        if ([next.answer, ...(next.accept ?? [])].includes(said)) right++;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return right / questions.length;
  }

  it('answers at least 90 % of its perception questions on held-out images in fast mode', async () => {
    const questions = heldout.filter(({ kind }) => kind === 'perception');
    assert.ok(questions.length >= 20);
    assert.ok((await accuracy(questions, 'fast')) >= 0.9);
  });

  it('answers at least 80 % of its multi-step questions when made to think', async () => {
    const questions = heldout.filter(({ kind }) => kind === 'multi-step');
    assert.ok(questions.length >= 20);
    assert.ok((await accuracy(questions, 'think')) >= 0.8);
  });

  it('says that it does not know when a question is outside its training', async () => {
    const questions = heldout.filter(({ kind }) => kind === 'out-of-scope');
    assert.ok(questions.length >= 5);
    assert.ok((await accuracy(questions, 'fast')) >= 0.8);
  });

  it('reports the model as the source of a decision in auto mode, with p(think), and the request in forced modes', async () => {
    const question = heldout.find(({ kind }) => kind === 'multi-step');
    assert.ok(question);
    const [auto, think, fast] = await Promise.all(
      ['auto', 'think', 'fast'].map(async (mode) => {
        const reply = await ask(server, await requestBody(question, { thinking_mode: mode }));
        return reply.choices[0];
      }),
    );
    assert.ok(auto && think && fast);
    assert.equal(auto.thinking.source, 'model');
    const pThink = auto.thinking.p_think;
    assert.ok(pThink !== null && pThink > 0 && pThink < 1);
    assert.equal(auto.thinking.mode, pThink > 0.5 ? 'think' : 'fast');
    assert.deepEqual([think.thinking.mode, think.thinking.source], ['think', 'request']);
    assert.deepEqual([fast.thinking.mode, fast.thinking.source], ['fast', 'request']);
    assert.equal(think.thinking.p_think, null);
    assert.ok(think.message.reasoning_content);
    assert.equal(fast.message.reasoning_content, null);
  });

  it('gives every generated token its log-probability, in the section of the token', async () => {
    const question = heldout.find(({ kind }) => kind === 'multi-step');
    assert.ok(question);
    const body = await requestBody(question, {
      thinking_mode: 'think',
      logprobs: true,
      top_logprobs: 3,
    });
    const { choices, usage } = await ask(server, body);
    const logprobs = choices[0].logprobs;
    assert.ok(logprobs);
    const { content, reasoning_content: reasoning } = logprobs;
    assert.equal(content.length + reasoning.length, usage.completion_tokens);
    assert.equal(reasoning.length, usage.completion_tokens_details.reasoning_tokens);
    for (const entry of [...content, ...reasoning]) {
      assert.equal(entry.top_logprobs.length, 3);
      // Greedy: the token written is the most likely one.
      assert.equal(entry.logprob, entry.top_logprobs[0]?.logprob);
    }
  });

  it('writes the same tokens for concurrent requests as for each alone', async () => {
    const questions = heldout.filter((_, index) => index % 5 === 0).slice(0, 12);
    const bodies = await Promise.all(questions.map((question) => requestBody(question)));
    const alone = [];
    for (const body of bodies) alone.push((await ask(server, body)).choices[0].message);
    const together = await Promise.all(
      bodies.map(async (body) => (await ask(server, body)).choices[0].message),
    );
    assert.deepEqual(together, alone);
  });

  it('streams the text of the whole reply, with the role and the decision once and first', async () => {
    const question = heldout.find(({ kind }) => kind === 'multi-step');
    assert.ok(question);
    const body = await requestBody(question);
    const whole = (await ask(server, body)).choices[0];
    const response = await post(server, { ...body, stream: true });
    const choices = (await response.text())
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => JSON.parse(event.slice('data: '.length)).choices[0]);
    const joined = (field: string): string =>
      choices.map(({ delta }) => delta[field] ?? '').join('');
    assert.equal(joined('content'), whole.message.content);
    assert.equal(joined('reasoning_content'), whole.message.reasoning_content);
    assert.equal(choices.filter(({ delta }) => 'role' in delta).length, 1);
    assert.equal(choices[0].thinking.mode, whole.thinking.mode);
    assert.equal(response.headers.get('x-thinking-decision'), whole.thinking.mode);
  });

  it('keeps the thinking within its budget and still answers', async () => {
    const question = heldout.find(({ kind }) => kind === 'multi-step');
    assert.ok(question);
    const body = await requestBody(question, { thinking_mode: 'think', thinking_budget: 5 });
    const { choices } = await ask(server, body);
    assert.equal(choices[0].thinking.ended_by, 'budget');
    assert.notEqual(choices[0].message.content, '');
  });
});
