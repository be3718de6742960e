import { availableParallelism, cpus } from 'node:os';
import { Command } from 'commander';
import { addServeOptions, parseServeOptions } from '../../src/cli/serve-options.ts';
import { startServer } from '../../src/server.ts';
import {
  ask,
  type HeldoutQuestion,
  readHeldout,
  requestBody,
  SHIPPED_PACKAGE,
} from '../helpers/shipped-server.ts';

/**
 * Accuracy of a package of the shipped model on its held-out questions, through the HTTP server, greedy.
 *
 *   node dist/test/bench/heldout-accuracy.js [package ...]
 */
const MODES = ['fast', 'think', 'auto'] as const;
const CONCURRENCY = 4;

interface Score {
  readonly right: boolean;
  readonly tokens: number;
  readonly thought: boolean;
}

async function scoreAll(packageDir: string, questions: readonly HeldoutQuestion[]): Promise<void> {
  const defaults = addServeOptions(new Command()).parse([], { from: 'user' }).opts();
  const options = parseServeOptions({ ...defaults, port: 0, name: 'nano', logLevel: 'silent' });
  const server = await startServer(packageDir, options);
  const score = async (question: HeldoutQuestion, mode: string): Promise<Score> => {
    const reply = await ask(server, await requestBody(question, { thinking_mode: mode }));
    const said = reply.choices[0].message.content.trim();
    return {
      right: [question.answer, ...(question.accept ?? [])].includes(said),
      tokens: reply.usage.completion_tokens,
      thought: reply.choices[0].thinking.mode === 'think',
    };
  };
  try {
    for (const mode of MODES) {
      for (const kind of new Set(questions.map((question) => question.kind))) {
        const left = questions.filter((question) => question.kind === kind);
        const scores: Score[] = [];
        const worker = async (): Promise<void> => {
          for (let next = left.pop(); next; next = left.pop()) scores.push(await score(next, mode));
        };
        await Promise.all(Array.from({ length: CONCURRENCY }, worker));
        console.log(row(packageDir, mode, kind, scores));
      }
    }
  } finally {
    await server.close();
  }
}

function row(packageDir: string, mode: string, kind: string, scores: readonly Score[]): string {
  const share = (count: number): string => `${((100 * count) / scores.length).toFixed(1)} %`;
  const right = share(scores.filter((score) => score.right).length);
  const thought = share(scores.filter((score) => score.thought).length);
  const tokens = scores.reduce((sum, score) => sum + score.tokens, 0) / scores.length;
  const cells = [packageDir, mode, kind, scores.length, right, thought, tokens.toFixed(1)];
  return `| ${cells.join(' | ')} |`;
}

const packages = process.argv.slice(2);
const questions = await readHeldout();
console.log(`${cpus()[0]?.model}, ${availableParallelism()} threads, Node ${process.version}`);
console.log('| package | mode | kind | questions | right | thinks | mean tokens |');
console.log('|---|---|---|---|---|---|---|');
for (const packageDir of packages.length > 0 ? packages : [SHIPPED_PACKAGE]) {
  await scoreAll(packageDir, questions);
}
