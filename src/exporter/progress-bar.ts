/** Shows a conversion's progress: a bar that redraws itself on a terminal, a line now and then elsewhere. */
import type { ConvertProgress } from './convert-checkpoint.ts';

const BAR_WIDTH = 24;
const REDRAW_MS = 100;
/** Without a terminal, a line for every tenth of the work. */
const PLAIN_STEP = 0.1;

export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export class ProgressBar {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  #start: number | undefined;
  #lastDraw = Number.NEGATIVE_INFINITY;
  #nextPlain = 0;

  /** @param now clock in milliseconds */
  constructor(output: ProgressOutput, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
  }

  update(progress: ConvertProgress): void {
    if (progress.phase !== 'writing') return;
    const now = this.#now();
    this.#start ??= now;
    const line = progressLine(progress, (now - this.#start) / 1000);
    const done = fraction(progress);
    if (this.#output.isTTY === true) {
      if (now - this.#lastDraw < REDRAW_MS && done < 1) return;
      this.#lastDraw = now;
      const width = (this.#output.columns ?? 80) - 1;
      this.#output.write(`\r\u001b[2K${line.slice(0, width)}`);
    } else if (done >= this.#nextPlain) {
      this.#nextPlain = Math.min(1, (Math.floor(done / PLAIN_STEP) + 1) * PLAIN_STEP);
      if (done === 1) this.#nextPlain = Number.POSITIVE_INFINITY;
      this.#output.write(`${line}\n`);
    }
  }

  /** Leaves the bar's line. */
  end(): void {
    if (this.#output.isTTY === true && this.#start !== undefined) this.#output.write('\n');
  }
}

/** One line: bar, share, amount, rate, time left and the tensor at work. */
export function progressLine(progress: ConvertProgress, seconds: number): string {
  const done = fraction(progress);
  const filled = Math.round(done * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const rate = seconds > 0 ? progress.doneBytes / seconds : 0;
  const left = rate > 0 ? (progress.totalBytes - progress.doneBytes) / rate : undefined;
  const parts = [
    `${bar} ${String(Math.floor(done * 100)).padStart(3)} %`,
    `${megabytes(progress.doneBytes)} of ${megabytes(progress.totalBytes)} MB`,
    `${megabytes(rate)} MB/s`,
    left === undefined ? '' : `${clock(left)} left`,
    progress.tensor ?? '',
  ];
  return parts.filter((part) => part !== '').join('  ');
}

function fraction({ doneBytes, totalBytes }: ConvertProgress): number {
  return totalBytes === 0 ? 1 : doneBytes / totalBytes;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
