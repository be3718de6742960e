import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { GenerationEvent, GenerationRequest } from '../../../../src/engine/generation.ts';
import { DEFAULT_THINKING_POLICY } from '../../../helpers/default-settings.ts';
import { FakeEngineClient, scriptedEvents } from '../../../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../../../helpers/listening-app.ts';
import { buildTestApp, chatBody, parseEvents, postChat } from '../../../helpers/test-app.ts';

/** Thinks until its answer is asked for. */
function thinkingEngine(): FakeEngineClient {
  const engine = new FakeEngineClient();
  engine.script = async function* (request: GenerationRequest): AsyncGenerator<GenerationEvent> {
    for await (const event of scriptedEvents(request, { finish: { thinkingEnd: 'client' } })) {
      if (event.type === 'token' && event.tokenId === 299) {
        await until(() => engine.answeredNow.includes(request.id), 'the wish for an answer');
      }
      yield event;
    }
  };
  return engine;
}

async function control(url: string, body: object): Promise<{ status: number; body: unknown }> {
  const reply = await fetch(`${url}/v1/chat/completions/control`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: reply.status, body: await reply.json() };
}

async function startStream(context: TestContext) {
  const engine = thinkingEngine();
  const app = await listeningApp(context, { engine });
  const reply = await fetch(`${app.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(chatBody({ stream: true })),
  });
  return { ...app, reply, id: reply.headers.get('x-completion-id') ?? '' };
}

describe('POST /v1/chat/completions/control', () => {
  for (const action of ['answer_now', 'reasoning_end']) {
    it(`${action} ends the thinking of that running stream only`, async (context) => {
      const { url, engine, reply, id } = await startStream(context);
      assert.match(id, /^chatcmpl-/);
      const done = await control(url, { id, action });
      assert.deepEqual(done, { status: 200, body: { id, action, success: true } });
      const chunks = parseEvents(await reply.text()) as { id: string; choices: unknown[] }[];
      assert.equal(chunks[0]?.id, id);
      assert.match(JSON.stringify(chunks), /"ended_by":"client"/);
      assert.deepEqual(engine.answeredNow, [id]);
      const late = await control(url, { id, action });
      assert.equal(late.status, 404);
      assert.match(JSON.stringify(late.body), /completion_not_found/);
    });
  }

  it('rejects unknown ids and unknown actions', async () => {
    const { app } = await buildTestApp();
    const post = (payload: object) =>
      app.inject({ method: 'POST', url: '/v1/chat/completions/control', payload });
    const unknown = await post({ id: 'chatcmpl-none', action: 'answer_now' });
    assert.equal(unknown.statusCode, 404);
    assert.equal(unknown.json().error.param, 'id');
    const wrong = await post({ id: 'x', action: 'stop' });
    assert.equal(wrong.statusCode, 400);
    assert.equal(wrong.json().error.param, 'action');
  });

  it('finds a completion by the header of a whole reply', async () => {
    const { app } = await buildTestApp();
    const reply = await postChat(app);
    assert.equal(reply.headers['x-completion-id'], reply.json().id);
  });
});

describe('The load bias', () => {
  it('acts on the decision when the operator allows it, and never on a forced mode', async () => {
    const engine = new FakeEngineClient();
    const status = engine.status();
    engine.status = () => ({ ...status, numWaiting: 8, kvCacheUsage: 0 });
    const app = await buildTestApp({ engine, settings: { load: { maxBias: 6, numSlots: 4 } } });
    await postChat(app.app);
    assert.equal(engine.lastRequest.thinking.decisionBias?.loadBias, -6);
    assert.equal(app.log[0]?.decision_bias.load, -6);
    for (const fields of [{ thinking_mode: 'think' }, { enable_thinking: false }]) {
      await postChat(app.app, fields);
      assert.equal(engine.lastRequest.thinking.decisionBias, undefined);
    }
    const thinking = { ...DEFAULT_THINKING_POLICY, mode: 'think' as const };
    const forced = await buildTestApp({
      engine,
      settings: { thinking, load: { maxBias: 6, numSlots: 4 } },
    });
    await postChat(forced.app);
    assert.equal(engine.lastRequest.thinking.decisionBias, undefined);
  });

  it('changes nothing by default', async () => {
    const { app, engine } = await buildTestApp();
    await postChat(app);
    assert.equal(engine.lastRequest.thinking.decisionBias, undefined);
  });
});
