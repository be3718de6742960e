import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { GenerationRequest } from '../../../src/engine/generation.ts';
import type { TiledImage } from '../../../src/engine/model-runner.ts';
import { countImageTokens } from '../../../src/package/anyres-geometry.ts';
import { occupancy } from '../../helpers/engine-bench.ts';
import { Random } from '../../helpers/random.ts';
import {
  answerRequest,
  type Outcome,
  RuntimeEngine,
  type RuntimeEngineOptions,
} from '../../helpers/runtime-engine.ts';
import { TEST_BACKENDS, times } from '../../helpers/test-backends.ts';
import {
  makeTinyModel,
  TINY_SHAPE,
  type TinyPackage,
  writeTinyPackage,
} from '../../helpers/tiny-model.ts';

const IMAGE = 0;
const CAPACITY = TINY_SHAPE.maxPositions;
const random = new Random(17);
let tiny: TinyPackage;
let cold: RuntimeEngine;

before(async () => {
  tiny = await writeTinyPackage(makeTinyModel());
  cold = await open({
    numSlots: 1,
    prefillChunk: CAPACITY,
    reuse: { prefixes: false, featureBytes: 0 },
  });
});
after(async () => {
  await cold.runner.dispose();
  await tiny.remove();
});

function open(options: Partial<RuntimeEngineOptions>): Promise<RuntimeEngine> {
  const { packageDir, manifest } = tiny;
  return RuntimeEngine.open({
    packageDir,
    manifest,
    numSlots: 4,
    slotCapacity: CAPACITY,
    ...options,
  });
}

/** Text tokens: neither a placeholder nor the end of a turn. */
function text(length: number): number[] {
  return Array.from({ length }, () => 2 + random.below(TINY_SHAPE.vocabSize - 2));
}

function image(hash: string, gridColumns = 2): TiledImage {
  const { tileSize, patchesPerSide } = TINY_SHAPE;
  const gridRows = gridColumns === 0 ? 0 : 1;
  const numTiles = 1 + gridRows * gridColumns;
  const [originalHeight, originalWidth] = [10, 10 * Math.max(1, gridColumns)];
  const geometry = { gridRows, gridColumns, patchesPerSide, originalHeight, originalWidth };
  return {
    ...geometry,
    hash,
    tiles: Uint8Array.from(random.ints(numTiles * tileSize * tileSize * 3, 256)),
    numTiles,
    numTokens: countImageTokens(geometry),
  };
}

function rowsOf({ numTokens }: TiledImage): number[] {
  return new Array<number>(numTokens).fill(IMAGE);
}

/** The same request alone, on an engine that keeps nothing. */
async function alone(request: GenerationRequest): Promise<readonly number[]> {
  const { tokenIds, finish } = await cold.run(request);
  assert.equal(finish.message, null);
  assert.equal(finish.usage.cachedTokens, 0);
  return tokenIds;
}

for (const backend of TEST_BACKENDS) {
  describe(`A reused prefix on the ${backend} backend`, () => {
    it('serves the second turn on an image by computing only the new turn', async () => {
      for (const prefillChunk of [3, 7, 64]) {
        const bench = await open({ backend, prefillChunk });
        const cat = image('cat');
        const first = [...text(3), ...rowsOf(cat), ...text(4)];
        const one = await bench.run(
          answerRequest(first, { id: 'one', images: [cat], maxTokens: 6 }),
        );
        assert.equal(one.finish.usage.cachedTokens, 0);
        assert.equal(bench.work.numTiles, cat.numTiles);
        const before = { ...bench.work };
        const turn = answerRequest([...first, ...one.tokenIds, ...text(5)], {
          id: 'two',
          images: [cat],
          maxTokens: 20,
        });
        const two = await bench.run(turn);
        // The last token generated was never put into the cache.
        const held = first.length + one.tokenIds.length - 1;
        assert.equal(two.finish.message, null);
        assert.equal(two.finish.usage.cachedTokens, held);
        assert.equal(two.finish.usage.imageTokens, cat.numTokens);
        assert.equal(bench.work.numTiles, before.numTiles, 'the image was not encoded again');
        assert.equal(
          bench.work.numPrefilled - before.numPrefilled,
          turn.promptTokenIds.length - held,
        );
        assert.equal(two.finish.timing.visionMs, 0);
        assert.deepEqual(two.tokenIds, await alone(turn));
        await bench.runner.dispose();
      }
    });

    it('serves another conversation with the same prefix, by copy or in place, during or after the first', async () => {
      const system = text(20);
      const turns = [6, 9, 4, 7].map((length, index) =>
        answerRequest([...system, 10 + index, ...text(length - 1)], {
          id: `turn ${index}`,
          maxTokens: 12,
        }),
      );
      const expected = [];
      for (const turn of turns) expected.push(await alone(turn));
      for (const numSlots of [1, 2, 4]) {
        const bench = await open({ backend, numSlots, prefillChunk: 8 });
        const outcomes = await Promise.all(turns.map((turn) => bench.run(turn)));
        assert.deepEqual(
          outcomes.map(({ tokenIds }) => tokenIds),
          expected,
        );
        const cached = outcomes.map(({ finish }) => finish.usage.cachedTokens);
        assert.deepEqual(cached, [0, 20, 20, 20]);
        assert.equal(bench.work.numPrefilled, 20 + 6 + 9 + 4 + 7);
        assert.equal(bench.work.numCopies > 0, numSlots > 1);
        const { prefixQueries, prefixHits } = bench.engine.counts().totals;
        assert.deepEqual([prefixQueries, prefixHits], [4 * 20 + 6 + 9 + 4 + 7, 3 * 20]);
        await bench.runner.dispose();
      }
    });

    it('serves all choices of one prompt: it is prefilled once, and each computes its last token', async () => {
      const bench = await open({ backend, prefillChunk: 16 });
      const dog = image('dog');
      const prompt = [...text(2), ...rowsOf(dog), ...text(10)];
      const { sampling } = answerRequest(prompt);
      const choices = Array.from({ length: 4 }, (_, index) =>
        answerRequest(prompt, {
          id: `choice ${index}`,
          images: [dog],
          maxTokens: 10,
          sampling: { ...sampling, temperature: 1, seed: 7 + index },
        }),
      );
      const outcomes = await Promise.all(choices.map((choice) => bench.run(choice)));
      assert.equal(bench.work.numTiles, dog.numTiles);
      assert.equal(bench.work.numPrefilled, prompt.length + 3);
      assert.deepEqual(
        outcomes.map(({ finish }) => finish.usage.cachedTokens),
        [0, ...[1, 2, 3].map(() => prompt.length - 1)],
      );
      for (const [index, { tokenIds }] of outcomes.entries()) {
        assert.deepEqual(tokenIds, await alone(choices[index]!));
      }
      const different = new Set(outcomes.map(({ tokenIds }) => tokenIds.join()));
      assert.equal(different.size, 4, 'every choice has a seed of its own');
      await bench.runner.dispose();
    });
  });
}

describe('Image features', () => {
  it('serve the same image in another conversation, where no prefix can', async () => {
    const bench = await open({});
    const [cat, dog] = [image('cat'), image('dog')];
    const requests = [
      answerRequest([...text(3), ...rowsOf(cat), 9], { id: 'a', images: [cat], maxTokens: 8 }),
      answerRequest([...text(4), ...rowsOf(dog), 8], { id: 'b', images: [dog], maxTokens: 8 }),
      answerRequest([...text(5), ...rowsOf(dog), ...rowsOf(cat), 7], {
        id: 'c',
        images: [dog, cat],
        maxTokens: 8,
      }),
    ];
    for (const request of requests) {
      assert.deepEqual((await bench.run(request)).tokenIds, await alone(request));
    }
    assert.equal(bench.work.numTiles, cat.numTiles + dog.numTiles);
    await bench.runner.dispose();
  });

  it('of a new image in two requests at once are computed once', async () => {
    const bench = await open({});
    const cat = image('cat');
    const requests = [3, 5].map((length) =>
      answerRequest([...text(length), ...rowsOf(cat), ...text(2)], {
        id: `after ${length}`,
        images: [cat],
        maxTokens: 8,
      }),
    );
    const outcomes = await Promise.all(requests.map((request) => bench.run(request)));
    assert.equal(bench.work.numTiles, cat.numTiles);
    for (const [index, { tokenIds }] of outcomes.entries()) {
      assert.deepEqual(tokenIds, await alone(requests[index]!));
    }
    await bench.runner.dispose();
  });

  it('that were evicted are computed again', async () => {
    const bench = await open({ reuse: { featureBytes: 0 } });
    const cat = image('cat');
    for (const length of [3, 5]) {
      await bench.run(
        answerRequest([...text(length), ...rowsOf(cat), 5], { images: [cat], maxTokens: 2 }),
      );
    }
    assert.equal(bench.work.numTiles, 2 * cat.numTiles);
    await bench.runner.dispose();
  });
});

/** Requests that share system prompts, images, earlier turns and whole prompts. */
class Traffic {
  readonly #systems = [text(12), text(12), text(20)];
  readonly #images = [image('cat', 0), image('dog', 0), image('fox', 1)];
  readonly #turns: { prompt: number[]; images: TiledImage[] }[] = [];

  next(id: string): GenerationRequest {
    const { prompt, images } = this.#continue() ?? this.#begin();
    this.#turns.push({ prompt, images });
    const { sampling } = answerRequest([5]);
    return answerRequest(prompt, {
      id,
      images,
      maxTokens: 1 + random.below(Math.min(12, CAPACITY - prompt.length)),
      sampling: { ...sampling, temperature: random.below(2), seed: random.below(1000) },
    });
  }

  /** An earlier turn, as it was or with more behind it. */
  #continue(): { prompt: number[]; images: TiledImage[] } | undefined {
    const turn = this.#turns[this.#turns.length - 1 - random.below(12)];
    if (turn === undefined || random.below(2) === 0) return undefined;
    const prompt = [...turn.prompt, ...text(random.below(9))];
    return prompt.length > CAPACITY - 12 ? undefined : { prompt, images: turn.images };
  }

  #begin(): { prompt: number[]; images: TiledImage[] } {
    const system = this.#systems[random.below(3)] ?? [];
    const images = this.#images.slice(random.below(3)).slice(0, random.below(3));
    const prompt = [...system, ...images.flatMap(rowsOf), ...text(1 + random.below(10))];
    return { prompt, images };
  }
}

interface TrafficOptions {
  readonly total: number;
  /** One step in so many aborts a request. */
  readonly abortEvery: number;
}

/** Submits requests at random steps. @returns what came of them, in order of submission */
async function drive(
  options: TrafficOptions,
): Promise<{ request: GenerationRequest; outcome: Outcome }[]> {
  const traffic = new Traffic();
  const ends: Promise<{ request: GenerationRequest; outcome: Outcome }>[] = [];
  const submit = (): void => {
    const request = traffic.next(`request ${ends.length}`);
    ends.push(bench.run(request).then((outcome) => ({ request, outcome })));
  };
  const onStep = (): void => {
    while (ends.length < options.total && bench.running.length < 12 && random.below(2) === 0)
      submit();
    if (random.below(options.abortEvery) > 0) return;
    const { running } = bench;
    const id = running[random.below(running.length)];
    // Not from inside the step that told us.
    if (id !== undefined) setImmediate(() => bench.engine.abort(id));
  };
  const bench = await open({ prefillChunk: 9, reuse: { featureBytes: 3000 }, onStep });
  const done: { request: GenerationRequest; outcome: Outcome }[] = [];
  while (done.length < options.total) {
    if (done.length === ends.length) submit();
    done.push(await ends[done.length]!);
  }
  assert.deepEqual(occupancy(bench.engine), { numRunning: 0, numWaiting: 0, kvCacheUsage: 0 });
  // Every slot still works: as many at once as there are.
  const last = Array.from({ length: 4 }, (_, index) => traffic.next(`last ${index}`));
  const outcomes = await Promise.all(last.map((request) => bench.run(request)));
  for (const [index, outcome] of outcomes.entries()) done.push({ request: last[index]!, outcome });
  await bench.runner.dispose();
  return done;
}

describe('Random traffic with shared prefixes', () => {
  it(`gives ${times(500)} staggered requests the tokens each has alone`, async () => {
    const done = await drive({ total: times(500), abortEvery: Infinity });
    let cached = 0;
    for (const { request, outcome } of done) {
      assert.equal(outcome.finish.message, null);
      assert.deepEqual(outcome.tokenIds, await alone(request), request.id);
      cached += outcome.finish.usage.cachedTokens;
    }
    const prompts = done.reduce((sum, { request }) => sum + request.promptTokenIds.length, 0);
    assert.ok(cached > prompts / 3, `${cached} of ${prompts} tokens came from the cache`);
  });

  it(`loses no slot to ${times(1000)} random aborts, and trusts nothing an abort left half done`, async () => {
    const done = await drive({ total: times(2000), abortEvery: 3 });
    const aborted = done.filter(({ outcome }) => outcome.finish.reason === 'abort');
    assert.ok(aborted.length >= times(1000), `${aborted.length} were aborted`);
    assert.ok(done.length - aborted.length > times(200));
    for (const { request, outcome } of done) {
      const expected = await alone(request);
      assert.deepEqual(outcome.tokenIds, expected.slice(0, outcome.tokenIds.length), request.id);
      if (outcome.finish.reason !== 'abort') {
        assert.equal(outcome.tokenIds.length, expected.length);
      }
    }
  });
});
