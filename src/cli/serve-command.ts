import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { type RunningServer, startServer } from '../server/main.ts';
import { addServeOptions, serveConfig } from './serve-options.ts';

/** Time for the shutdown after the drain timeout; then the process exits. */
const GRACE_MS = 10_000;

/** Adds `thinkgate serve <package>`. */
export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('serve a model package behind an OpenAI-compatible API')
    .argument('<package>', 'folder written by `thinkgate convert`');
  addServeOptions(command);
  command.action(async (packageDir: string) => {
    const config = serveConfig(packageDir, command);
    const server = await startServer(config);
    process.stdout.write(greeting(server));
    closeOnSignal(() => server.close(), config.http.drainTimeout * 1000 + GRACE_MS);
  });
}

/**
 * The first signal drains; the second, or the deadline, exits at once. The exit code is 0 where every request finished.
 */
function closeOnSignal(close: () => Promise<boolean>, deadlineMs: number): void {
  let closing = false;
  const onSignal = (): void => {
    if (closing) process.exit(1);
    closing = true;
    setTimeout(() => process.exit(1), deadlineMs).unref();
    void close().then((isComplete) => process.exit(isComplete ? 0 : 1));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

/** Where the server listens, and a request to try. */
function greeting(server: RunningServer): string {
  const { modelId, url, numEngines } = server;
  const engines = numEngines === 1 ? '' : ` with ${numEngines} engines`;
  return `\nthinkgate serves ${modelId}${engines} at ${url}\n\n${curlCommand(server)}\n`;
}

function curlCommand({ url, modelId, packageDir, needsKey }: RunningServer): string {
  const example = readExample(packageDir);
  const content =
    example === undefined
      ? '"What is 23 + 48?"'
      : `[{"type":"image_url","image_url":{"url":"data:image/png;base64,'"$(base64 < ${example.file} | tr -d '\\n')"'"}},{"type":"text","text":"${example.question}"}]`;
  const key = needsKey ? ' -H "authorization: Bearer $API_KEY"' : '';
  return [
    'Try it:',
    '',
    `curl -sN ${url}/v1/chat/completions${key} -H 'content-type: application/json' -d '{`,
    `  "model": "${modelId}", "stream": true,`,
    `  "messages": [{"role": "user", "content": ${content}}]`,
    "}'",
    '',
  ].join('\n');
}

/** A package may have images to try, with a question each. */
const examplesSchema = z.array(z.object({ file: z.string(), question: z.string() })).min(1);

/** @returns undefined for a package without examples, which is usual; the greeting then asks in text */
function readExample(packageDir: string): { file: string; question: string } | undefined {
  const folder = path.join(packageDir, 'examples');
  try {
    const [first] = examplesSchema.parse(
      JSON.parse(readFileSync(path.join(folder, 'examples.json'), 'utf8')),
    );
    return first && { question: first.question, file: path.join(folder, first.file) };
  } catch {
    return undefined;
  }
}
