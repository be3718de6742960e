/** Where the answer is written, such as process.stdout. */
export interface Screen {
  write(text: string): unknown;
  /** Whether it shows colours: absent or false where the output is not a terminal or NO_COLOR is set. */
  hasColors?(): boolean;
}

export interface AnswerSummary {
  readonly mode: string | null;
  readonly pThink: number | null;
  readonly reasoningTokens: number;
  readonly answerTokens: number;
  readonly endedBy: string | null;
  readonly tokensPerSecond: number | null;
}

const DIM = '\u001b[2m';
const PLAIN = '\u001b[0m';

/** Writes the thinking (dimmed) and the answer as they arrive, then a summary line. */
export class AnswerPrinter {
  readonly #screen: Screen;
  readonly #colours: boolean;
  #shown: 'nothing' | 'reasoning' | 'answer' = 'nothing';

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#colours = screen.hasColors?.() ?? false;
  }

  reasoning(text: string): void {
    this.#shown = 'reasoning';
    this.#screen.write(this.#dim(text));
  }

  answer(text: string): void {
    if (this.#shown === 'reasoning') this.#screen.write('\n\n');
    this.#shown = 'answer';
    this.#screen.write(text);
  }

  summary(summary: AnswerSummary): void {
    if (this.#shown !== 'nothing') this.#screen.write('\n\n');
    this.#screen.write(`${this.#dim(describe(summary))}\n`);
  }

  #dim(text: string): string {
    return this.#colours ? `${DIM}${text}${PLAIN}` : text;
  }
}

function describe(summary: AnswerSummary): string {
  const parts = [
    `mode ${summary.mode ?? 'unknown'}`,
    summary.pThink === null ? null : `p(think) ${summary.pThink.toFixed(3)}`,
    `${summary.reasoningTokens} thinking + ${summary.answerTokens} answer tokens`,
    summary.endedBy === null || summary.endedBy === 'natural'
      ? null
      : `thinking ended by ${summary.endedBy}`,
    summary.tokensPerSecond === null ? null : `${summary.tokensPerSecond.toFixed(1)} tokens/s`,
  ];
  return parts.filter((part) => part !== null).join(' · ');
}
