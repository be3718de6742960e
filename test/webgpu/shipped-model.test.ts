import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RunningServer } from '../../src/server/main.ts';
import {
  ask,
  type HeldoutQuestion,
  post,
  type Reply,
  readHeldout,
  requestBody,
  startShipped,
} from '../helpers/shipped-server.ts';
import { TEST_BACKEND } from '../helpers/test-backends.ts';

const GREEDY = { temperature: 0, max_tokens: 40, logprobs: true };

it("the shipped model generates the CPU's tokens: alone, together, after an abort and with a reused prefix", async () => {
  const questions = await readHeldout();
  const images = questions.filter(({ image }) => image !== null);
  const texts = questions.filter(({ image }) => image === null);
  const some = [
    ...images.filter((_, index) => index % 11 === 0).slice(0, 4),
    ...texts.filter((_, index) => index % 5 === 0).slice(0, 2),
  ];
  assert.equal(some.length, 6);
  const expected = await play('cpu', some);
  const actual = await play(TEST_BACKEND as 'webgpu' | 'cuda', some);
  for (const [index, reply] of actual.entries()) assert.deepEqual(reply, expected[index]);
});

/** @returns the replies, in the order of the questions */
async function play(
  device: 'cpu' | 'webgpu' | 'cuda',
  questions: readonly HeldoutQuestion[],
): Promise<object[]> {
  const server = await startShipped({ engine: { device, maxModelLen: 512 } });
  try {
    const replies = await Promise.all(questions.map((question) => reply(server, question)));
    const [first] = questions;
    assert.ok(first);
    await abort(server, first);
    const again = await reply(server, first);
    assert.ok(again.usage.prompt_tokens_details.cached_tokens > 0, 'the prefix was reused');
    return [...replies, again].map(({ choices: [choice] }) => ({
      message: choice.message,
      mode: choice.thinking.mode,
      tokens: [choice.logprobs?.reasoning_content, choice.logprobs?.content].map((side) =>
        side?.map(({ token }) => token),
      ),
    }));
  } finally {
    await server.close();
  }
}

async function reply(server: RunningServer, question: HeldoutQuestion): Promise<Reply> {
  return ask(server, await requestBody(question, GREEDY));
}

/** Closes the connection as soon as the reply begins. */
async function abort(server: RunningServer, question: HeldoutQuestion): Promise<void> {
  const controller = new AbortController();
  const body = await requestBody(question, { ...GREEDY, stream: true });
  const response = await post(server, body, controller.signal);
  const reader = response.body?.getReader();
  await reader?.read();
  controller.abort();
}
