import assert from 'node:assert/strict';
import { cp, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RunningServer } from '../../src/server/main.ts';
import { enginePids, killEngine, metrics, until } from '../helpers/engine-processes.ts';
import { scratchDir } from '../helpers/scratch-dir.ts';
import { ask, post, readHeldout, requestBody, startShipped } from '../helpers/shipped-server.ts';

const DECODED = 'thinkgate_engine_decoded_tokens_total';

type Body = Record<string, unknown>;

/** Greedy requests about images and about text, in every mode. */
async function mixedBodies(): Promise<Body[]> {
  const heldout = await readHeldout();
  const bodies = ['sum_numbers', 'read_number', 'text_sum'].flatMap((task) =>
    heldout.filter((question) => question.task === task).slice(0, 4),
  );
  const modes = ['auto', 'think', 'fast'];
  return Promise.all(
    bodies.map((question, index) =>
      requestBody(question, { temperature: 0, thinking_mode: modes[index % 3] }),
    ),
  );
}

async function readiness({ url }: RunningServer): Promise<{ status: number; ready: number }> {
  const response = await fetch(`${url}/ready`);
  const { engines } = (await response.json()) as { engines: { ready: number; total: number } };
  assert.equal(engines.total, 2);
  return { status: response.status, ready: engines.ready };
}

/** A long text of its own, from its first word on. */
function conversation(name: string, ...more: readonly Body[]): Body {
  const content = `${name}: ${'What is 23 + 48? '.repeat(20)}`;
  const messages = [{ role: 'user', content }, ...more];
  return { model: 'nano', messages, thinking_mode: 'fast', temperature: 0, max_tokens: 8 };
}

describe('Two engines of one thread each behind one server', () => {
  let server: RunningServer;
  before(async () => {
    server = await startShipped({
      engine: { dataParallelSize: 2, threads: 2, prefillChunk: 16 },
    });
  });
  after(() => server.close());

  it('run as two processes, and both become ready', async () => {
    assert.equal(enginePids().length, 2);
    assert.deepEqual(await readiness(server), { status: 200, ready: 2 });
  });

  it('share the requests and give the same answers as one engine', async () => {
    const bodies = await mixedBodies();
    const together = await Promise.all(bodies.map((body) => ask(server, body)));
    const work = await metrics(server, DECODED);
    assert.ok(Math.min(...work) > 0, `decoded ${work}`);
    const alone = await startShipped({ engine: { threads: 1 } });
    try {
      for (const [index, body] of bodies.entries()) {
        const { message } = (await ask(alone, body)).choices[0];
        assert.deepEqual(together[index]?.choices[0].message, message);
      }
    } finally {
      await alone.close();
    }
  });

  it('keep the turns of a conversation on one engine and send other conversations to the other', async () => {
    const before = await metrics(server, 'thinkgate_engine_prefilled_tokens_total');
    const names = ['red', 'green'];
    const first = [];
    for (const name of names) first.push(await ask(server, conversation(name)));
    const [one, other] = await metrics(server, 'thinkgate_engine_prefilled_tokens_total');
    assert.ok(one > before[0] && other > before[1], 'each engine computed one of them');
    for (const [index, name] of names.entries()) {
      const answer = first[index]?.choices[0].message.content ?? '';
      const turn = conversation(
        name,
        { role: 'assistant', content: answer },
        { role: 'user', content: 'And 2 + 2?' },
      );
      const { usage } = await ask(server, turn);
      const kept = Number(first[index]?.usage.prompt_tokens) - 16;
      assert.ok(usage.prompt_tokens_details.cached_tokens >= kept, JSON.stringify(usage));
    }
  });

  it('keep the choices of a reply on one engine, which computes their prompt once', async () => {
    const before = await metrics(server, 'thinkgate_engine_prefilled_tokens_total');
    const { usage } = await ask(server, { ...conversation('blue'), n: 6, temperature: 1, seed: 3 });
    const after = await metrics(server, 'thinkgate_engine_prefilled_tokens_total');
    const grown = after.map((count, index) => count - (before[index] ?? 0));
    assert.ok(grown.includes(0), `one engine was left alone: ${grown}`);
    // Each of the others computes the last token of the prompt again, for its logits.
    assert.ok(Math.max(...grown) <= usage.prompt_tokens + 5 * 16, `${grown} tokens prefilled`);
  });

  it('pass the order to answer now to the engine that runs the completion', async () => {
    const told = await Promise.all(
      ['one', 'two', 'three'].map(async (name) => {
        const endless = { thinking_mode: 'think', min_tokens: 1200, max_tokens: 1600 };
        const body = { ...conversation(name), ...endless };
        const response = await post(server, { ...body, stream: true });
        const id = response.headers.get('x-completion-id');
        const reply = await fetch(`${server.url}/v1/chat/completions/control`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ id, action: 'answer_now' }),
        });
        await response.body?.cancel();
        return reply.status;
      }),
    );
    assert.deepEqual(told, [200, 200, 200]);
  });

  it('finish an answer of a killed engine token for token when no token of it was sent', async () => {
    const sampled = { thinking_mode: 'fast', seed: 5, temperature: 1.3 };
    const long = { ...conversation('long'), ...sampled, min_tokens: 900, max_tokens: 1000 };
    const before = await metrics(server, DECODED);
    const reply = ask(server, long);
    const grown = async (): Promise<readonly number[]> =>
      (await metrics(server, DECODED)).map((count, index) => count - (before[index] ?? 0));
    await until(async () => Math.max(...(await grown())) > 20);
    const busy = (await grown()).findIndex((count) => count > 20);
    killEngine(busy);
    const { message, finish_reason } = (await reply).choices[0];
    assert.equal(finish_reason, 'length');
    assert.deepEqual((await ask(server, long)).choices[0].message, message);
    await until(async () => (await readiness(server)).ready === 2);
  });

  it('serve on while one of them is killed, without an error for requests whose answer has not begun', async () => {
    const bodies = await mixedBodies();
    const expected: string[] = [];
    for (const body of bodies) expected.push((await ask(server, body)).choices[0].message.content);
    const replies = [0, 1].map((at) => ask(server, conversation(`long ${at}`)));
    killEngine();
    await until(async () => (await readiness(server)).ready === 1);
    const later = bodies.map((body) => ask(server, body));
    assert.equal((await readiness(server)).status, 200);
    await Promise.all(replies);
    for (const [index, reply] of (await Promise.all(later)).entries()) {
      assert.equal(reply.choices[0].message.content, expected[index]);
    }
    await until(async () => (await readiness(server)).ready === 2);
    const [one, other] = await metrics(server, 'thinkgate_engine_restarts_total');
    assert.equal(one + other, 2, 'the test before had one killed as well');
    assert.deepEqual(await metrics(server, 'thinkgate_engine_ready'), [1, 1]);
  });
});

describe('A server of several engines', () => {
  it('does not start with an engine that has no thread', async () => {
    await assert.rejects(
      startShipped({ engine: { dataParallelSize: 2, threads: 1 } }),
      /--data-parallel-size 2 .* 1 threads/,
    );
  });

  it('fails to start when an engine cannot load the model, says why, and leaves no process behind', async (t) => {
    const folder = path.join(scratchDir(t), 'broken');
    await cp('models/nano', folder, { recursive: true });
    const { size } = await stat(path.join(folder, 'decoder.onnx'));
    await writeFile(path.join(folder, 'decoder.onnx'), new Uint8Array(size));
    await assert.rejects(
      startShipped({ package: folder, engine: { dataParallelSize: 2, threads: 2 } }),
      /^Error: Engine [01]: /,
    );
    assert.deepEqual(enginePids(), []);
  });
});
