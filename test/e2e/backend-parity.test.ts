import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask, readHeldout, requestBody, startShipped } from '../helpers/shipped-server.ts';

it('answers the same through the in-place binding and through onnxruntime-node', async () => {
  const questions = (await readHeldout()).filter((_, index) => index % 8 === 0).slice(0, 8);
  const answers = [];
  for (const backend of ['ffi', 'node'] as const) {
    const server = await startShipped({ engine: { backend } });
    try {
      const replies = await Promise.all(
        questions.map(async (question) => ask(server, await requestBody(question))),
      );
      answers.push(replies.map(({ choices }) => choices[0].message));
    } finally {
      await server.close();
    }
  }
  assert.deepEqual(answers[0], answers[1]);
});
