import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RunningServer } from '../../src/server/main.ts';
import { loadTokenizer } from '../../src/server/prompt/tokenizer.ts';
import {
  ask,
  type HeldoutQuestion,
  post,
  readHeldout,
  requestBody,
  SHIPPED_PACKAGE,
  startShipped,
} from '../helpers/shipped-server.ts';

describe("A caller's control over the shipped model's thinking", () => {
  let server: RunningServer;
  let sum: HeldoutQuestion;
  let look: HeldoutQuestion;

  before(async () => {
    server = await startShipped();
    const heldout = await readHeldout();
    const [first] = heldout.filter(({ task }) => task === 'sum_numbers');
    const [second] = heldout.filter(({ task }) => task === 'read_number');
    assert.ok(first && second);
    [sum, look] = [first, second];
  });
  after(() => server.close());

  async function choice(question: HeldoutQuestion, extra: Record<string, unknown>) {
    return (await ask(server, await requestBody(question, extra))).choices[0];
  }

  it('moves the decision by a threshold on p(think) and reports the request as its source', async () => {
    const own = await choice(sum, {});
    const high = await choice(sum, { thinking_threshold: 0.99 });
    const low = await choice(look, { thinking_threshold: 0.01 });
    assert.deepEqual([own.thinking.mode, own.thinking.source], ['think', 'model']);
    assert.deepEqual([high.thinking.mode, high.thinking.source], ['fast', 'request']);
    assert.deepEqual([low.thinking.mode, low.thinking.source], ['think', 'request']);
    // What the model itself made of it is reported as it was; a reused prefix changes the last bits at most.
    const difference = Number(high.thinking.p_think) - Number(own.thinking.p_think);
    assert.ok(Math.abs(difference) < 1e-4);
  });

  it('moves the decision by a bias at that one position', async () => {
    const fast = await choice(sum, { thinking_bias: -10 });
    const think = await choice(look, { thinking_bias: 10 });
    assert.equal(fast.thinking.mode, 'fast');
    assert.equal(think.thinking.mode, 'think');
    assert.ok(think.message.reasoning_content);
  });

  it('takes the mode from the model name and from a header', async () => {
    const alias = await choice(sum, { model: 'nano:fast' });
    assert.equal(alias.thinking.mode, 'fast');
    const response = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-thinking-mode': 'think' },
      body: JSON.stringify(await requestBody(look)),
    });
    assert.equal(response.headers.get('x-thinking-decision'), 'think');
    await response.body?.cancel();
  });

  it('answers within 16 tokens in every mode', async () => {
    for (const thinking_mode of ['auto', 'think', 'fast']) {
      const { message } = await choice(sum, { thinking_mode, max_tokens: 16 });
      assert.notEqual(message.content, '', thinking_mode);
    }
  });

  it('answers after unfinished thinking, however few tokens are left', async () => {
    const body = await requestBody(sum);
    const begun = { role: 'assistant', content: '', reasoning_content: 'I see' };
    const messages = [...(body['messages'] as unknown[]), begun];
    for (const max_tokens of [4, 16]) {
      const going = { ...body, messages, continue_final_message: true, max_tokens };
      const reply = await ask(server, going);
      assert.notEqual(reply.choices[0].message.content, '', `${max_tokens}`);
      assert.equal(reply.choices[0].thinking.mode, 'think');
    }
  });

  it('counts the same tokens in its usage, in /tokenize and in the log-probabilities', async () => {
    for (const [question, thinking_mode] of [
      [sum, 'think'],
      [look, 'fast'],
      [sum, 'auto'],
    ] as const) {
      const body = await requestBody(question, { thinking_mode });
      const { usage, choices } = await ask(server, { ...body, logprobs: true });
      const counted = await fetch(`${server.url}/tokenize`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ messages: body['messages'], thinking_mode }),
      });
      assert.equal(usage.prompt_tokens, ((await counted.json()) as { count: number }).count);
      const { content, reasoning_content } = choices[0].logprobs ?? assert.fail();
      assert.equal(usage.completion_tokens, content.length + reasoning_content.length);
      assert.equal(
        usage.completion_tokens_details.reasoning_tokens,
        choices[0].thinking.mode === 'think' ? reasoning_content.length : 0,
      );
    }
  });

  it('ends endless thinking when the client asks for the answer now', async () => {
    const tokenizer = await loadTokenizer(`${SHIPPED_PACKAGE}/tokenizer.json`);
    const [close] = tokenizer.encode('</think>');
    assert.ok(close !== undefined);
    const body = await requestBody(sum, {
      thinking_mode: 'think',
      stream: true,
      break_thinking_loops: false,
      // The model cannot close its block by itself.
      logit_bias: { [close]: -100 },
    });
    const response = await post(server, body);
    const id = response.headers.get('x-completion-id');
    const control = await fetch(`${server.url}/v1/chat/completions/control`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id, action: 'answer_now' }),
    });
    assert.equal(control.status, 200);
    const choices = (await response.text())
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => JSON.parse(event.slice('data: '.length)).choices[0]);
    assert.equal(choices.at(-1).thinking.ended_by, 'client');
    assert.ok(choices.some(({ delta }) => delta.content));
  });

  it('reuses the first turn in the second, the image included', async () => {
    const body = await requestBody(look, { thinking_mode: 'fast' });
    const first = await ask(server, body);
    const messages = [
      ...(body['messages'] as unknown[]),
      { role: 'assistant', content: first.choices[0].message.content },
      { role: 'user', content: 'What do you see?' },
    ];
    const second = await ask(server, { ...body, messages });
    assert.ok(
      second.usage.prompt_tokens_details.cached_tokens >
        first.usage.prompt_tokens_details.image_tokens,
    );
  });
});
