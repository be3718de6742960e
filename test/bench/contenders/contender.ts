import { type ChildProcess, fork } from 'node:child_process';

/** One measurement: `streams` prompts at once, greedy, each to exactly `newTokens` tokens. */
export interface Task {
  readonly streams: number;
  readonly promptTokens: number;
  readonly newTokens: number;
}

export interface Measured {
  readonly seconds: number;
  /** Prompt tokens of each stream; those asked for, or near them where a chat template stands around the text. */
  readonly promptTokens: number;
}

/** What a contender's process loads. */
export interface Setup {
  readonly model: string;
  readonly threads: number;
  /** Most streams at once. */
  readonly streams: number;
  readonly context: number;
}

export type Load = (setup: Setup) => Promise<(task: Task) => Promise<Measured>>;

/** A contender in a process of its own: it loads once and waits, without work, while others are measured. */
export class Contender {
  readonly name: string;
  readonly #child: ChildProcess;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
  }

  /** @param script compiled module that calls `answerTasks` */
  static async start(name: string, script: URL, setup: Setup): Promise<Contender> {
    const child = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const contender = new Contender(name, child);
    await contender.#ask(setup);
    return contender;
  }

  run(task: Task): Promise<Measured> {
    return this.#ask(task) as Promise<Measured>;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  #ask(message: Setup | Task): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const died = (): void => reject(new Error(`${this.name} ended.`));
      this.#child.once('exit', died);
      this.#child.once('message', (answer: { readonly error?: string }) => {
        this.#child.off('exit', died);
        if (answer.error === undefined) resolve(answer);
        else reject(new Error(`${this.name}: ${answer.error}`));
      });
      this.#child.send(message);
    });
  }
}

/** The contender's side: the first message loads, each other one is a task. */
export function answerTasks(load: Load): void {
  let run: ((task: Task) => Promise<Measured>) | undefined;
  const answer = async (message: Setup | Task): Promise<unknown> => {
    if ('model' in message) {
      run = await load(message);
      return {};
    }
    return run?.(message);
  };
  process.on('message', (message: Setup | Task) => {
    answer(message).then(
      (result) => process.send?.(result),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

/** Token ids of a prompt that differs from all others, so that nobody finds it in a cache. */
export function freshPrompt(length: number): number[] {
  return Array.from({ length }, () => 100 + Math.floor(Math.random() * 20_000));
}

/** Path of an installed peer's entry, in the folder that has a package.json of its own. */
export function peerEntry(path: string): string {
  return new URL(`../../../../test/bench/peers/node_modules/${path}`, import.meta.url).href;
}
