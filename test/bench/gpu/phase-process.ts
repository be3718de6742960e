import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Ending, Phase } from './run-phases.ts';
import { parseSample, type Sample } from './sample.ts';

/** Number of last lines on standard error that stand in a failure's reason. */
const LAST_LINES = 3;

const running = new Set<ChildProcess>();

/** Runs a phase's process. Every sample it prints counts, however the process ends. */
export async function runPhaseProcess(
  { command }: Phase,
  limitS: number,
  onSample: (sample: Sample) => void,
): Promise<Ending> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const stderr: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const sample = parseSample(line);
    if (sample) onSample(sample);
  });
  createInterface({ input: child.stderr }).on('line', (line) => stderr.push(line));
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, limitS * 1000);
  const end = await new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'gone'));
  });
  clearTimeout(timer);
  running.delete(child);
  const seconds = (performance.now() - started) / 1000;
  if (end === 0) return { end: 'done', seconds };
  if (isLate) return { end: 'failed', reason: `stopped after ${limitS.toFixed(0)} s` };
  const last = errorLine(stderr);
  return { end: 'failed', reason: `ended with ${end}${last === '' ? '' : `: ${last}`}` };
}

export function stopRunningPhases(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Returns the line that names the error, else the last lines. */
function errorLine(stderr: readonly string[]): string {
  const named = stderr.findLast((line) => /^\s*(\w*Error|\w*Exception)\b.*:/.test(line));
  return (named ?? stderr.slice(-LAST_LINES).join(' ')).trim().slice(0, 400);
}
