import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import type { RunningServer } from '../../src/server/main.ts';
import {
  ask,
  HELDOUT_SETS,
  type HeldoutQuestion,
  readHeldout,
  requestBody,
  SHIPPED_PACKAGE,
  startShipped,
} from '../helpers/shipped-server.ts';
import { changesAgainst, type ScoredReply, summarise } from './heldout-summary.ts';

/**
 * Accuracy, tokens and thinking rate of packages of the shipped model on its held-out questions, through the HTTP
 * server, greedy, per task; later packages are compared with the first, reply by reply.
 *
 *   node dist/test/bench/heldout-accuracy.js [--out results.json] [package ...]
 */
const MODES = ['fast', 'think', 'auto'] as const;
const CONCURRENCY = 4;

async function askAll(packageDir: string): Promise<ScoredReply[]> {
  const server = await startShipped({ package: packageDir, http: { servedModelName: 'nano' } });
  try {
    const replies: ScoredReply[] = [];
    for (const set of HELDOUT_SETS) {
      const left = (await readHeldout(set)).flatMap((question) =>
        MODES.map((mode) => ({ question, mode })),
      );
      const worker = async (): Promise<void> => {
        for (let next = left.pop(); next; next = left.pop()) {
          replies.push({ set, ...(await score(server, next.question, next.mode)) });
        }
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    }
    return replies;
  } finally {
    await server.close();
  }
}

async function score(
  server: RunningServer,
  question: HeldoutQuestion,
  mode: (typeof MODES)[number],
): Promise<Omit<ScoredReply, 'set'>> {
  const reply = await ask(server, await requestBody(question, { thinking_mode: mode }));
  const [choice] = reply.choices;
  const said = choice.message.content.trim();
  const { id, task, kind, answer, accept = [] } = question;
  return {
    id,
    task,
    kind,
    mode,
    said,
    right: [answer, ...accept].includes(said),
    tokens: reply.usage.completion_tokens,
    thought: choice.thinking.mode === 'think',
    pThink: choice.thinking.p_think,
  };
}

const program = new Command()
  .option('--out <file>', 'write the summary of every package as JSON')
  .argument('[packages...]')
  .parse();
const { out } = program.opts<{ out?: string }>();
const packages = program.args.length > 0 ? program.args : [SHIPPED_PACKAGE];

console.log(`${cpus()[0]?.model}, ${availableParallelism()} threads, Node ${process.version}`);
console.log(
  '| package | set | group | questions | fast %, tokens | think %, tokens | auto %, tokens | auto thinks % | mean p(think) |',
);
console.log('|---|---|---|---|---|---|---|---|---|');
const summaries: Record<string, unknown> = {};
let first: ScoredReply[] | undefined;
for (const packageDir of packages) {
  const replies = await askAll(packageDir);
  const name = path.basename(packageDir);
  const groups = summarise(replies);
  for (const { set, group, questions, fast, think, auto, autoThinks, pThink } of groups) {
    const cells = [fast, think, auto].map(({ right, tokens }) => `${right}, ${tokens}`);
    console.log(
      `| ${[name, set, group, questions, ...cells, autoThinks, pThink.mean].join(' | ')} |`,
    );
  }
  const changes = first && changesAgainst(first, replies);
  if (changes) console.log(`${name} against the first package: ${JSON.stringify(changes)}`);
  first ??= replies;
  summaries[name] = { groups, ...(changes && { changesAgainstFirst: changes }) };
  if (out) await writeFile(out, `${JSON.stringify(summaries, null, 2)}\n`);
}
