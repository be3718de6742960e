import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** The real command in a process of its own. */
export class ServerProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #output: { text: string };

  private constructor(child: ChildProcess, url: string, output: { text: string }) {
    this.#child = child;
    this.url = url;
    this.#output = output;
  }

  /** Starts `thinkgate serve`, on the shipped model unless told otherwise, and waits until it is ready. */
  static async start(
    flags: readonly string[] = [],
    packageDir = 'models/nano',
  ): Promise<ServerProcess> {
    const own = ['--port', '0', '--threads', '1'];
    const words = ['--enable-source-maps', CLI, 'serve', packageDir, ...own, ...flags];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { text: '' };
    const url = await new Promise<string>((resolve, reject) => {
      const hear = (bytes: Buffer): void => {
        output.text += bytes;
        const [, found] = / at (https?:\S+)\n/.exec(output.text) ?? [];
        if (found !== undefined) resolve(found);
      };
      child.stdout?.on('data', hear);
      child.stderr?.on('data', hear);
      child.once('exit', (code) => reject(new Error(`It ended with ${code}: ${output.text}`)));
    });
    return new ServerProcess(child, url, output);
  }

  /** Everything it wrote so far, its log among it. */
  get output(): string {
    return this.#output.text;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resident bytes of the process. */
  get residentBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(status) ?? [];
    return Number(kilobytes) * 1024;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** @returns the exit code; null where a signal ended it */
  async exitCode(): Promise<number | null> {
    if (this.isRunning) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exitCode();
  }
}
