import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TiledImage } from '../../../src/engine/model-runner.ts';
import { ReceivedTiles, SentTiles } from '../../../src/engine/sent-tiles.ts';
import { imageOf, requestOf } from '../../helpers/engine-bench.ts';
import { Random } from '../../helpers/random.ts';

function image(name: string, numTiles = 4): TiledImage {
  const image = imageOf(name, numTiles, 6);
  return {
    ...image,
    tiles: Uint8Array.from({ length: numTiles }, (_, i) => name.charCodeAt(0) + i),
  };
}
const request = (...images: TiledImage[]) => requestOf([1, 2], { images });

describe('image tiles sent to an engine process', () => {
  it('are sent once', () => {
    const [sent, received] = [new SentTiles(100), new ReceivedTiles(100)];
    const [first, second] = [request(image('a')), request(image('a'), image('b'))];
    assert.deepEqual(sent.leaveOut(first), first);
    const left = sent.leaveOut(second);
    assert.deepEqual(
      left.images.map(({ tiles }) => tiles.byteLength),
      [0, 4],
    );
    received.putBack(first);
    assert.deepEqual(received.putBack(left), second);
  });

  it('are complete at the receiving end while both ends evict alike', () => {
    const random = new Random(4);
    const [sent, received] = [new SentTiles(40), new ReceivedTiles(40)];
    let numLeftOut = 0;
    for (let i = 0; i < 500; i++) {
      const images = Array.from({ length: random.below(4) }, () => {
        const which = random.below(12);
        return image(String.fromCharCode(97 + which), which === 11 ? 41 : 1 + (which % 5) * 3);
      });
      const whole = request(...images);
      const left = structuredClone(sent.leaveOut(whole));
      numLeftOut += left.images.filter(({ tiles }) => tiles.byteLength === 0).length;
      assert.deepEqual(received.putBack(left), whole);
    }
    assert.ok(numLeftOut > 150, `${numLeftOut} left out`);
  });

  it('throw when the receiving end lacks them', () => {
    const sent = new SentTiles(100);
    sent.leaveOut(request(image('a')));
    const left = sent.leaveOut(request(image('a')));
    assert.throws(() => new ReceivedTiles(100).putBack(left), /tiles of image a never came/);
  });
});
