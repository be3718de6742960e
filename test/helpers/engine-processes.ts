import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../../src/server/main.ts';

/** Process ids of the engines: this process's children that were forked with our entry, the oldest first. */
export function enginePids(): number[] {
  const rows = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)]).toString();
  const engines = rows.split('\n').filter((line) => line.includes('dist/src/engine/main.js'));
  return engines.map((line) => Number.parseInt(line, 10)).sort((left, right) => left - right);
}

/**
 * Kills one engine of this process, the n-th oldest. Never signals process 0, which is the whole process group: tests,
 * shell and all.
 */
export function killEngine(index = 0): void {
  const pid = enginePids()[index];
  assert.ok(pid, `engine ${index} runs`);
  process.kill(pid, 'SIGKILL');
}

export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1500; tries++) {
    if (await condition()) return;
    await sleep(20);
  }
  assert.fail('the condition did not come true within 30 seconds');
}

export async function ready({ url }: RunningServer): Promise<boolean> {
  return (await fetch(`${url}/ready`)).status === 200;
}

/** A metric of each of several engines. */
export async function metrics(
  server: RunningServer,
  name: string,
): Promise<readonly [number, number]> {
  return [await metric(server, `${name}{engine="0"}`), await metric(server, `${name}{engine="1"}`)];
}

/** One line of /metrics. */
export async function metric({ url }: RunningServer, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((row) => row.startsWith(`${name} `));
  assert.ok(line, `${name} is exported`);
  return Number(line.split(' ')[1]);
}
