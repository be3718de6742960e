import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ChatCompletion } from '../../src/server/api/openai-chat/response-schema.ts';
import type { RunningServer } from '../../src/server/main.ts';
import { post, readHeldout, requestBody, startShipped } from '../helpers/shipped-server.ts';

describe('Several choices of the shipped model', () => {
  let server: RunningServer;
  let image: Record<string, unknown>;

  before(async () => {
    server = await startShipped();
    const [sum] = (await readHeldout()).filter(({ task }) => task === 'sum_numbers');
    assert.ok(sum);
    image = await requestBody(sum);
  });
  after(() => server.close());

  async function ask(extra: Record<string, unknown>): Promise<ChatCompletion> {
    const reply = await post(server, { ...image, ...extra });
    assert.equal(reply.status, 200);
    return (await reply.json()) as ChatCompletion;
  }

  it('share the prompt with its image and are equal at temperature 0', async () => {
    const { choices, usage } = await ask({ n: 4, temperature: 0 });
    assert.equal(choices.length, 4);
    const answers = choices.map(({ message }) => [message.reasoning_content, message.content]);
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 0, 'this prompt was new');
    const again = await ask({ n: 2, temperature: 0 });
    assert.equal(again.usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens - 1);
  });

  it('equal single requests with the seeds seed, seed + 1, ...', async () => {
    const sampled = { temperature: 1.5, thinking_mode: 'think', max_tokens: 48 };
    const { choices } = await ask({ ...sampled, n: 3, seed: 11 });
    const texts = choices.map(({ message }) => [message.reasoning_content, message.content]);
    assert.notDeepEqual(texts[0], texts[1]);
    for (const [index, text] of texts.entries()) {
      const alone = await ask({ ...sampled, seed: 11 + index });
      const { message } = alone.choices[0] ?? assert.fail();
      assert.deepEqual([message.reasoning_content, message.content], text);
    }
  });
});
