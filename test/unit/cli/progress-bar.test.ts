import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import {
  bytesProgress,
  countProgress,
  ProgressBar,
  progressLine,
} from '../../../src/cli/progress-bar.ts';

function at(doneBytes: number, totalBytes = 1000e6) {
  return bytesProgress(doneBytes, totalBytes, 'a.weight');
}

function output(isTTY: boolean) {
  const written: string[] = [];
  return { written, isTTY, columns: 60, write: (text: string) => written.push(text) };
}

describe('the progress line', () => {
  it('reckons with what was done since it began, not before', () => {
    assert.match(progressLine(countProgress(30, 120, ''), 10, 20), /1\.0\/s {2}1:30 left/);
  });

  it('counts things as well as bytes', () => {
    assert.equal(
      progressLine(countProgress(30, 120, '2 failed'), 10),
      '██████░░░░░░░░░░░░░░░░░░  25 %  30 of 120  3.0/s  0:30 left  2 failed',
    );
  });

  it('shows share, amount, rate, time left and the tensor', () => {
    assert.equal(
      progressLine(at(250e6), 2),
      '██████░░░░░░░░░░░░░░░░░░  25 %  250 of 1000 MB  125 MB/s  0:06 left  a.weight',
    );
  });

  it('leaves the time out until there is a rate', () => {
    assert.match(progressLine(at(0), 0), /0 % {2}0 of 1000 MB {2}0 MB\/s {2}a\.weight$/);
  });

  it('counts nothing to do as done', () => {
    assert.match(progressLine(at(0, 0), 1), /100 %/);
  });
});

describe('the progress bar', () => {
  it('redraws one line of a terminal, cut to its width, not too often', () => {
    const screen = output(true);
    let now = 0;
    const bar = new ProgressBar(screen, () => now);
    for (const [time, done] of [
      [0, 0],
      [50, 100e6],
      [150, 200e6],
      [160, 1000e6],
    ] as const) {
      now = time;
      bar.update(at(done));
    }
    bar.end();
    assert.equal(screen.written.length, 4);
    assert.ok(screen.written.slice(0, 3).every((text) => text.startsWith('\r\u001b[2K')));
    assert.ok(screen.written.slice(0, 3).every((text) => text.length <= 59 + 5));
    assert.equal(screen.written[3], '\n');
  });

  it('writes a plain line for every tenth elsewhere, and the last one once', () => {
    const log = output(false);
    const bar = new ProgressBar(log, () => 0);
    for (let done = 0; done <= 1000; done += 10) bar.update(at(done * 1e6));
    bar.update(at(1000e6));
    bar.end();
    assert.equal(log.written.length, 11);
    assert.match(log.written[10]!, /100 %/);
  });

  it('stays silent where nothing was begun', () => {
    const screen = output(true);
    new ProgressBar(screen).end();
    assert.deepEqual(screen.written, []);
  });
});
