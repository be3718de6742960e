import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GenerationEvent, GenerationRequest } from '../../../../src/engine/generation.ts';
import {
  type ChatCompletion,
  type ChatCompletionChunk,
  chatCompletionChunkSchema,
  chatCompletionSchema,
} from '../../../../src/server/api/openai-chat/response-schema.ts';
import { EngineUnavailableError } from '../../../../src/server/engines/engine-client.ts';
import {
  FakeEngineClient,
  finishEvent,
  scriptedEvents,
  tokenEvent,
  untilAborted,
} from '../../../helpers/fake-engine-client.ts';
import { listeningApp, until } from '../../../helpers/listening-app.ts';
import { buildTestApp, chatBody, parseEvents, postChat } from '../../../helpers/test-app.ts';

const placeOf = (request: GenerationRequest): number => Number(request.id.split('-').at(-1));

/** The first choice thinks and the others answer directly, each at its own length. */
function differing(): FakeEngineClient {
  return new FakeEngineClient((request) => {
    const place = placeOf(request);
    const answer = Array.from({ length: place + 1 }, (_, i) => `${place}${'abc'[i]}`);
    const usage = {
      promptTokens: request.promptTokenIds.length,
      cachedTokens: place === 0 ? 2 : 4,
      imageTokens: 0,
      completionTokens: answer.length + (place === 0 ? 2 : 0),
      reasoningTokens: place === 0 ? 2 : 0,
      preambleTokens: 0,
    };
    return place === 0
      ? scriptedEvents(request, { reasoning: ['Hm.'], answer, finish: { usage } })
      : scriptedEvents(request, {
          reasoning: [],
          answer,
          decision: { mode: 'fast', pThink: 0.1 * place },
          finish: { usage, thinkingEnd: null, reason: place === 1 ? 'length' : 'stop' },
        });
  });
}

describe('Several choices in one reply', () => {
  it('are generations over one prompt, each with its own id and seed', async () => {
    const { app, engine, formatter } = await buildTestApp();
    const reply = await postChat(app, { n: 3, seed: 40 });
    const { id } = reply.json();
    assert.deepEqual(
      engine.requests.map((request) => [request.id, request.sampling.seed]),
      [0, 1, 2].map((place) => [`${id}-${place}`, 40 + place]),
    );
    assert.equal(formatter.calls.length, 1);
    const [first] = engine.requests;
    for (const { promptTokenIds, group } of engine.requests) {
      assert.equal(promptTokenIds, first?.promptTokenIds);
      assert.equal(group, id, 'one engine computes it');
    }
  });

  it('do not change a single choice: it has the id of the completion and the seed of the request', async () => {
    for (const fields of [{}, { n: 1 }, { n: null }]) {
      const { app, engine } = await buildTestApp();
      const reply = await postChat(app, { seed: 40, ...fields });
      assert.equal(engine.lastRequest.id, reply.json().id);
      assert.equal(engine.lastRequest.sampling.seed, 40);
      assert.equal(reply.json().choices.length, 1);
    }
  });

  it('each have their own text, decision, report, log-probabilities and finish reason', async () => {
    const { app } = await buildTestApp({ engine: differing() });
    const reply = await postChat(app, { n: 3, logprobs: true });
    const { choices } = reply.json<ChatCompletion>();
    assert.ok(chatCompletionSchema.safeParse(reply.json()).success);
    assert.deepEqual(
      choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]),
      [
        [0, '0a', 'stop'],
        [1, '1a1b', 'length'],
        [2, '2a2b2c', 'stop'],
      ],
    );
    assert.deepEqual(
      choices.map(({ message, thinking }) => [
        message.reasoning_content,
        thinking.mode,
        thinking.p_think,
        thinking.reasoning_tokens,
        thinking.answer_tokens,
      ]),
      [
        ['Hm.', 'think', 0.75, 2, 1],
        [null, 'fast', 0.1, 0, 2],
        [null, 'fast', 0.2, 0, 3],
      ],
    );
    assert.deepEqual(
      choices.map(({ logprobs }) => [logprobs?.content.length, logprobs?.reasoning_content.length]),
      [
        [1, 2],
        [2, 0],
        [3, 0],
      ],
    );
  });

  it('count the prompt once, with the cached tokens of the first choice, and all generated tokens', async () => {
    const { app } = await buildTestApp({ engine: differing() });
    const { usage } = (await postChat(app, { n: 3 })).json<ChatCompletion>();
    assert.equal(usage.prompt_tokens, 5);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 2);
    assert.equal(usage.completion_tokens, 8);
    assert.equal(usage.total_tokens, 13);
    assert.equal(usage.completion_tokens_details.reasoning_tokens, 2);
  });

  it('have no decision in the headers, because each has its own', async () => {
    const { app } = await buildTestApp({ engine: differing() });
    for (const stream of [false, true]) {
      const { headers } = await postChat(app, { n: 2, stream });
      assert.match(String(headers['x-completion-id']), /^chatcmpl-[0-9a-f]{32}$/);
      assert.equal(headers['x-thinking-requested'], 'auto');
      assert.equal(headers['x-thinking-decision'], undefined);
    }
  });

  it('are limited by the operator', async () => {
    const { app } = await buildTestApp({ settings: { maxChoices: 3 } });
    assert.equal((await postChat(app, { n: 3 })).statusCode, 200);
    const refused = await postChat(app, { n: 4 });
    assert.equal(refused.statusCode, 400);
    assert.equal(refused.json().error.param, 'n');
    assert.match(refused.json().error.message, /`n` must be at most 3 on this server; got 4/);
  });

  it('are allowed at temperature 0, where all are equal', async () => {
    const { app, engine } = await buildTestApp();
    assert.equal((await postChat(app, { n: 2, temperature: 0 })).statusCode, 200);
    assert.deepEqual(
      engine.requests.map(({ sampling }) => sampling.temperature),
      [0, 0],
    );
  });
});

describe('Several choices in a stream', () => {
  async function streamed(fields: Record<string, unknown> = {}) {
    const { app } = await buildTestApp({ engine: differing() });
    const reply = await postChat(app, { n: 3, stream: true, ...fields });
    const events = parseEvents(reply.body);
    const chunks = events.filter((event): event is ChatCompletionChunk => event !== '[DONE]');
    for (const chunk of chunks) assert.ok(chatCompletionChunkSchema.safeParse(chunk).success);
    return { events, chunks };
  }

  it('interleave; each begins with its role and ends with one finish reason', async () => {
    const { chunks } = await streamed();
    const order = chunks.map(({ choices }) => choices[0]?.index);
    assert.ok(order.lastIndexOf(0) > order.indexOf(2), 'none waits for another');
    for (const index of [0, 1, 2]) {
      const own = chunks.flatMap(({ choices }) => choices.filter((each) => each.index === index));
      assert.deepEqual(own[0]?.delta.role, 'assistant');
      assert.equal(own.filter(({ delta }) => delta.role !== undefined).length, 1);
      assert.equal(own.filter((each) => each.finish_reason !== null).length, 1);
      assert.equal(own.at(-1)?.finish_reason, index === 1 ? 'length' : 'stop');
      assert.equal(own.at(-1)?.thinking?.mode, index === 0 ? 'think' : 'fast');
      const text = own.map(({ delta }) => delta.content ?? '').join('');
      assert.equal(text, ['0a', '1a1b', '2a2b2c'][index]);
    }
  });

  it('are followed by one usage and one [DONE]', async () => {
    const { events, chunks } = await streamed({ stream_options: { include_usage: true } });
    assert.deepEqual(
      chunks.filter(({ usage }) => usage !== null).map(({ usage }) => usage?.completion_tokens),
      [8],
    );
    assert.equal(chunks.at(-1)?.usage?.prompt_tokens, 5);
    assert.equal(events.filter((event) => event === '[DONE]').length, 1);
    assert.equal(events.at(-1), '[DONE]');
  });
});

describe('Several choices of which one fails', () => {
  /** Choice 1 fails after a token; the others go on until they are told to stop. */
  function failing(): FakeEngineClient {
    return new FakeEngineClient(async function* (request, signal) {
      if (placeOf(request) !== 1) return yield* untilAborted(request, signal);
      yield tokenEvent('Half', 'answer', request);
      yield finishEvent(request, { reason: 'error', message: 'The model failed.' });
    });
  }

  it('are one error, and the other generations stop', async () => {
    const engine = failing();
    const { app, log } = await buildTestApp({ engine });
    const reply = await postChat(app, { n: 3 });
    assert.equal(reply.statusCode, 500);
    assert.equal(reply.json().error.message, 'The model failed.');
    assert.equal(engine.numEnded, 3);
    const reasons = log[0]?.generations.map((generation) => generation.finish_reason);
    assert.deepEqual(reasons, ['abort', 'error', 'abort'], 'the log has the finish of each');
  });

  it('end a stream with the error, and the other generations stop', async () => {
    const engine = failing();
    const { app } = await buildTestApp({ engine });
    const reply = await postChat(app, { n: 3, stream: true });
    const events = parseEvents(reply.body);
    assert.match(JSON.stringify(events.at(-1)), /The model failed/);
    await until(() => engine.numEnded === 3, 'the end of the siblings');
  });

  it('are rejected together when the engine admits only some', async () => {
    const engine = new FakeEngineClient();
    engine.script = (request, signal) => {
      if (placeOf(request) === 1) throw new EngineUnavailableError('queue_full', 3);
      return untilAborted(request, signal);
    };
    const { app, log } = await buildTestApp({ engine });
    for (const stream of [false, true]) {
      engine.numEnded = 0;
      const reply = await postChat(app, { n: 2, stream });
      if (stream) assert.match(reply.body, /queue/);
      else assert.equal(reply.statusCode, 503);
      await until(() => engine.numEnded === 2, 'the end of the other');
      assert.deepEqual(
        log.at(-1)?.generations.map((generation) => generation.finish_reason),
        ['abort', null],
      );
    }
  });
});

describe('Several choices whose client disconnects', () => {
  it('all stop, and the log has the finish of each', async (context) => {
    const engine = new FakeEngineClient((request, signal) => untilAborted(request, signal));
    const { url, log } = await listeningApp(context, { engine });
    const leave = new AbortController();
    const reply = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chatBody({ n: 3, stream: true })),
      signal: leave.signal,
    });
    await reply.body?.getReader().read();
    assert.equal(engine.requests.length, 3);
    leave.abort();
    await until(() => engine.numEnded === 3, 'the end of all choices');
    await until(() => log.length === 1, 'the log line');
    const reasons = log[0]?.generations.map((generation) => generation.finish_reason);
    assert.deepEqual(reasons, ['abort', 'abort', 'abort']);
  });
});

describe('Answer now with several choices', () => {
  async function thinking(context: Parameters<typeof listeningApp>[0]) {
    const engine = new FakeEngineClient();
    engine.script = async function* (request): AsyncGenerator<GenerationEvent> {
      for await (const event of scriptedEvents(request, { finish: { thinkingEnd: 'client' } })) {
        if (event.type === 'token' && event.tokenId === 299) {
          await until(() => engine.answeredNow.includes(request.id), 'the wish for an answer');
        }
        yield event;
      }
    };
    const { url } = await listeningApp(context, { engine });
    const reply = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(chatBody({ n: 3, stream: true })),
    });
    const id = reply.headers.get('x-completion-id') ?? '';
    const tell = (target: string) =>
      fetch(`${url}/v1/chat/completions/control`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id: target, action: 'answer_now' }),
      });
    return { engine, reply, id, tell };
  }

  it('addresses one choice by its number and all by the completion', async (context) => {
    const { engine, reply, id, tell } = await thinking(context);
    assert.equal((await tell(`${id}-1`)).status, 200);
    assert.deepEqual(engine.answeredNow, [`${id}-1`]);
    assert.equal((await tell(`${id}-3`)).status, 404);
    assert.equal((await tell(id)).status, 200);
    await reply.text();
    assert.deepEqual(new Set(engine.answeredNow), new Set([0, 1, 2].map((k) => `${id}-${k}`)));
    assert.equal((await tell(id)).status, 404);
  });
});

describe('The log line of several choices', () => {
  it('has sums in its fields and a list of the choices', async () => {
    const { app, log, metrics } = await buildTestApp({ engine: differing() });
    await postChat(app, { n: 3 });
    assert.equal(log.length, 1);
    const [entry] = log;
    assert.equal(entry?.num_choices, 3);
    assert.deepEqual(entry?.tokens, {
      prompt: 5,
      image: 0,
      cached: 2,
      preamble: 0,
      reasoning: 2,
      answer: 6,
      forced: 0,
    });
    assert.deepEqual(
      entry?.generations.map((each) => [each.decision, each.p_think, each.finish_reason]),
      [
        ['think', 0.75, 'stop'],
        ['fast', 0.1, 'length'],
        ['fast', 0.2, 'stop'],
      ],
    );
    const exposed = await metrics.expose();
    assert.match(exposed, /thinkgate_prompt_tokens_total 5\n/);
    assert.match(exposed, /thinkgate_prompt_tokens_cached_total 2\n/);
    assert.match(exposed, /thinkgate_request_success_total\{finished_reason="stop"\} 2\n/);
  });

  it('has no list for a single choice', async () => {
    const { app, log } = await buildTestApp();
    await postChat(app);
    assert.equal(log[0]?.num_choices, 1);
    assert.deepEqual(log[0]?.generations, []);
  });
});
