import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { deserted } from './listening-app.ts';

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Values in order of time; the last one alone for an instant query. */
  readonly values: readonly number[];
}

/** A real Prometheus with the shipped configuration and rules, which scrapes one server several times a second. */
export class PrometheusServer {
  readonly #url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.#url = url;
    this.#child = child;
    this.#folder = folder;
  }

  /** @param target where the server to scrape listens, as a URL */
  static async start(target: string): Promise<PrometheusServer> {
    const folder = mkdtempSync(path.join(tmpdir(), 'thinkgate-prometheus-'));
    const config = readFileSync('docker/prometheus/prometheus.yml', 'utf8')
      .replace('thinkgate:8000', new URL(target).host)
      .replace('/etc/prometheus/rules', path.resolve('docker/prometheus/rules'))
      .replace(/scrape_interval: \w+/, 'scrape_interval: 500ms')
      .replace(/evaluation_interval: \w+/, 'evaluation_interval: 500ms');
    const configFile = path.join(folder, 'prometheus.yml');
    writeFileSync(configFile, config);
    const url = await deserted();
    const child = spawn(
      'prometheus',
      [
        `--config.file=${configFile}`,
        `--storage.tsdb.path=${path.join(folder, 'data')}`,
        `--web.listen-address=${new URL(url).host}`,
        '--log.level=error',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const server = new PrometheusServer(url, child, folder);
    await server.#ready();
    return server;
  }

  /** @returns every series of an instant query */
  async query(query: string): Promise<Series[]> {
    const result = await this.#get('query', { query });
    return (result as { metric: Series['metric']; value: [number, string] }[]).map(
      ({ metric, value }) => ({ metric, values: [Number(value[1])] }),
    );
  }

  /** @returns every series of the last `seconds`, in steps of half a second */
  async queryRange(query: string, seconds: number): Promise<Series[]> {
    const end = Date.now() / 1000;
    const range = { start: String(end - seconds), end: String(end), step: '0.5' };
    const result = await this.#get('query_range', { query, ...range });
    return (result as { metric: Series['metric']; values: [number, string][] }[]).map(
      ({ metric, values }) => ({ metric, values: values.map(([, value]) => Number(value)) }),
    );
  }

  async labelValues(label: string, match: string): Promise<string[]> {
    const url = `${this.#url}/api/v1/label/${label}/values?match[]=${encodeURIComponent(match)}`;
    return ((await (await fetch(url)).json()) as { data: string[] }).data;
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill();
    await exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #get(endpoint: string, parameters: Record<string, string>): Promise<unknown> {
    const url = `${this.#url}/api/v1/${endpoint}?${new URLSearchParams(parameters)}`;
    const reply = (await (await fetch(url)).json()) as {
      status: string;
      error?: string;
      data: { result: unknown };
    };
    if (reply.status !== 'success') throw new Error(`${parameters['query']}: ${reply.error}`);
    return reply.data.result;
  }

  async #ready(): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      if (this.#child.exitCode !== null) throw new Error('Prometheus ended at once.');
      const reply = await fetch(`${this.#url}/-/ready`).catch(() => null);
      if (reply?.ok) return;
      await sleep(50);
    }
    throw new Error('Prometheus does not get ready.');
  }
}
