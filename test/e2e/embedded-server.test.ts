import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startServer } from '../../src/server/main.ts';

it('starts a server from a plain config, without a command line', async (context) => {
  const server = await startServer({
    package: 'models/nano',
    http: { port: 0 },
    log: { level: 'silent' },
  });
  context.after(() => server.close());
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: server.modelId,
      messages: [{ role: 'user', content: 'What is 23 + 48?' }],
      temperature: 0,
    }),
  });
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  assert.equal(response.status, 200);
  assert.match(choices[0]?.message.content ?? '', /71/);
});
