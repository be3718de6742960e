/**
 * Compares two checkouts of the project: the server of another, built folder against the one of this folder. Both serve
 * the same package and answer the same tasks in turns.
 *
 *   git worktree add /tmp/before COMMIT && (cd /tmp/before && npm ci && npm run build)
 *   node dist/test/bench/checkouts.js --before /tmp/before/dist/src/cli/main.js --package PACKAGE --streams 1,8
 *
 * Prints tokens per second (medians) and the median of the rounds' own ratios, with the range of the middle half. Needs a
 * quiet machine. `--before-flags` names the flags of a checkout that calls them otherwise.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Served } from './contenders/served.ts';
import { interleaved, medianRate, pairedRatio, percentile } from './paired.ts';

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    'before-flags': { type: 'string', default: '' },
    package: { type: 'string', default: 'models/nano' },
    streams: { type: 'string', default: '1,8' },
    rounds: { type: 'string', default: '9' },
    tokens: { type: 'string', default: '64' },
    prompt: { type: 'string', default: '64' },
  },
});
if (values.before === undefined)
  throw new Error('--before names the main.js of the other checkout.');
const rounds = Number(values.rounds);

const flags = { threads: availableParallelism(), 'no-speculative-decoding': '' };
const after = await Served.start(values.package, {
  ...flags,
  'max-num-seqs': 8,
  'max-model-len': 1024,
});
const before = await Served.start(values.package, flagsOf(values['before-flags']), {
  name: 'before',
  cli: values.before,
});

process.stdout.write(
  `${cpus()[0]?.model}, ${availableParallelism()} threads, ${values.package}, prompts of ${values.prompt}, ${values.tokens} tokens, ${rounds} rounds\n`,
);
for (const streams of values.streams.split(',').map(Number)) {
  const task = {
    streams,
    promptTokens: Number(values.prompt),
    newTokens: Number(values.tokens),
  };
  const rates = await interleaved([before, after], task, rounds);
  const [olds, news] = [rates.get(before.name) ?? [], rates.get(after.name) ?? []];
  const ratios = news.map((rate, round) => rate / (olds[round] ?? Number.NaN));
  const [low, high] = [percentile(ratios, 0.25), percentile(ratios, 0.75)];
  const [one, other] = [before, after].map(({ name }) => medianRate(rates, name).toFixed(1));
  const ratio = pairedRatio(rates, after.name, before.name).toFixed(3);
  process.stdout.write(
    `${streams} streams: ${one} before, ${other} after, ratio ${ratio} (${low.toFixed(3)} to ${high.toFixed(3)})\n`,
  );
}
await Promise.all([before.stop(), after.stop()]);

/** Flags as `name=value`, separated by commas; a flag without a value stands alone. */
function flagsOf(text: string): Record<string, string> {
  if (text === '') return {};
  return Object.fromEntries(
    text.split(',').map((flag) => {
      const [name = '', value = ''] = flag.split('=');
      return [name, value];
    }),
  );
}
