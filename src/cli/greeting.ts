import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { RunningServer } from '../server/main.ts';

/** A package may bring images to try, with a question each. */
const examplesSchema = z.array(z.object({ file: z.string(), question: z.string() })).min(1);

/** What the operator sees once the model is loaded: where it listens and a request to paste. */
export function printGreeting(server: RunningServer): void {
  const { modelId, url, numEngines } = server;
  const engines = numEngines === 1 ? '' : ` with ${numEngines} engines`;
  const lines = [
    '',
    `thinkgate serves ${modelId}${engines} at ${url}`,
    '',
    ...curlLines(server),
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function curlLines({ url, modelId, packageDir, needsKey }: RunningServer): string[] {
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
  ];
}

function readExample(packageDir: string): { file: string; question: string } | undefined {
  const folder = path.join(packageDir, 'examples');
  try {
    const [first] = examplesSchema.parse(
      JSON.parse(readFileSync(path.join(folder, 'examples.json'), 'utf8')),
    );
    return first && { question: first.question, file: path.join(folder, first.file) };
  } catch {
    // A package without examples is the rule; the greeting then asks in text.
    return undefined;
  }
}
