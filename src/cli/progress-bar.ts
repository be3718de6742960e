/** Progress of long work: a bar on a terminal, plain lines elsewhere. */
const BAR_WIDTH = 24;
const REDRAW_MS = 100;
/** Without a terminal, one line for each tenth of the work. */
const PLAIN_STEP = 0.1;

export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Progress in any unit, and the text after the bar. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** @param seconds since the first update @param begun units that were done at the first update */
  readonly text: (seconds: number, begun: number) => string;
}

export class ProgressBar {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  #start: { readonly at: number; readonly done: number } | undefined;
  #lastDraw = Number.NEGATIVE_INFINITY;
  #nextPlain = 0;

  /** @param now clock in milliseconds */
  constructor(output: ProgressOutput, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
  }

  update(progress: Progress): void {
    const now = this.#now();
    this.#start ??= { at: now, done: progress.done };
    const line = progressLine(progress, (now - this.#start.at) / 1000, this.#start.done);
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

  /** Ends the line of the bar. */
  end(): void {
    if (this.#output.isTTY === true && this.#start !== undefined) this.#output.write('\n');
  }
}

/** Progress in bytes: amount, rate, time left and a label. */
export function bytesProgress(doneBytes: number, totalBytes: number, label: string): Progress {
  return {
    done: doneBytes,
    total: totalBytes,
    text: (seconds, begun) => {
      const rate = seconds > 0 ? (doneBytes - begun) / seconds : 0;
      return joined([
        `${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB`,
        `${megabytes(rate)} MB/s`,
        timeLeft(totalBytes - doneBytes, rate),
        label,
      ]);
    },
  };
}

/** Progress in items: count, rate, time left and a remark. */
export function countProgress(done: number, total: number, remark: string): Progress {
  return {
    done,
    total,
    text: (seconds, begun) => {
      const rate = seconds > 0 ? (done - begun) / seconds : 0;
      const left = timeLeft(total - done, rate);
      return joined([`${done} of ${total}`, `${rate.toFixed(1)}/s`, left, remark]);
    },
  };
}

/** One line: bar, share and text. */
export function progressLine(progress: Progress, seconds: number, begun = 0): string {
  const done = fraction(progress);
  const filled = Math.round(done * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const share = `${bar} ${String(Math.floor(done * 100)).padStart(3)} %`;
  return joined([share, progress.text(seconds, begun)]);
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('  ');
}

function fraction({ done, total }: Progress): number {
  return total === 0 ? 1 : done / total;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** Empty until there is a rate. */
function timeLeft(left: number, rate: number): string {
  if (rate <= 0) return '';
  const whole = Math.ceil(left / rate);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')} left`;
}
