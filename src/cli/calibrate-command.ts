import type { Command } from 'commander';
import { calibrate } from '../evaluation/calibration/calibrate.ts';
import { calibrationPage, calibrationTable } from '../evaluation/calibration/calibration-report.ts';
import { DEFAULT_GOALS } from '../evaluation/calibration/operating-points.ts';
import { readDataset } from '../evaluation/dataset/read-dataset.ts';
import { EvaluationError } from '../evaluation/evaluation-error.ts';
import { writeProfiles } from '../package/edit-package.ts';
import { PROFILE_NAME, type ThresholdGoal } from '../package/profile.ts';
import { decimal } from './arguments.ts';
import { addEvaluationOptions, type EvaluationFlags } from './evaluation-options.ts';
import { evaluate, reportFailures, untilInterrupted, writeReports } from './evaluation-session.ts';

export interface GoalFlags {
  readonly profile?: string;
  readonly maxTokensShare?: number;
  readonly maxMeanTokens?: number;
  readonly minAccuracy?: number;
  readonly minGain?: number;
}

interface CalibrateFlags extends EvaluationFlags, GoalFlags {
  readonly package: string;
  readonly url?: string;
  readonly split: number;
  readonly splitSeed: number;
  readonly write: boolean;
}

const MODES = ['fast', 'auto', 'think'];

/** Adds `thinkgate calibrate <dataset>`. */
export function registerCalibrate(program: Command): void {
  const command = program
    .command('calibrate')
    .description('choose thresholds on p(think) by measurement and write them into a package');
  addEvaluationOptions(command)
    .requiredOption(
      '--package <folder>',
      'Model package to measure; the profiles are written into it.',
    )
    .option('--url <url>', 'Running server of this package (default: one is started).')
    .option(
      '--profile <name>',
      'Profile to write (default: economy, balanced and thorough, each with its own goal).',
    )
    .option(
      '--max-tokens-share <share>',
      'Goal: at most this share of the tokens of always thinking.',
      decimal(0),
    )
    .option('--max-mean-tokens <count>', 'Goal: at most this many tokens on average.', decimal(0))
    .option('--min-accuracy <share>', 'Goal: at least this share of right answers.', decimal(0, 1))
    .option(
      '--min-gain <share>',
      'Goal: at least this share of the largest gain of thinking.',
      decimal(0, 1),
    )
    .option(
      '--split <share>',
      'Share of the questions that choose the threshold; the others measure it.',
      decimal(0.1, 0.9),
      0.5,
    )
    .option('--split-seed <number>', 'Seed of the split.', decimal(0), 1)
    .option('--no-write', 'Do not write into the package.')
    .action(runCalibrate);
}

async function runCalibrate(path: string, flags: CalibrateFlags): Promise<void> {
  const goals = goalsOf(flags);
  const { categoryField, limit } = flags;
  const dataset = await readDataset(path, { categoryField, limit });
  const target =
    flags.url === undefined ? { packageDir: flags.package, url: '' } : { url: flags.url };
  const { settings, scores, failures } = await untilInterrupted((signal) =>
    evaluate({ dataset, flags, target, modes: MODES, signal }),
  );
  const { split: splitShare, splitSeed: seed } = flags;
  const report = calibrate({ dataset, settings, scores, goals, splitShare, seed });
  process.stdout.write(calibrationTable(report));
  await writeReports(flags.out, 'calibration', { json: report, html: calibrationPage(report) });
  if (reportFailures(failures)) process.exitCode = 1;
  if (!flags.write) return;
  const profiles = Object.fromEntries(report.profiles.map(({ name, profile }) => [name, profile]));
  await writeProfiles(flags.package, profiles);
  process.stdout.write(
    `wrote ${Object.keys(profiles).join(', ')} into ${flags.package}: ask for one with thinking_profile, or serve with --thinking-profile\n`,
  );
}

/** @throws EvaluationError when the profile and the goals do not fit together */
export function goalsOf(flags: GoalFlags): Record<string, ThresholdGoal> {
  const { profile, maxTokensShare, maxMeanTokens, minAccuracy, minGain } = flags;
  const asked: ThresholdGoal[] = [
    ...goal('max-tokens-share', maxTokensShare),
    ...goal('max-mean-tokens', maxMeanTokens),
    ...goal('min-accuracy', minAccuracy),
    ...goal('min-gain', minGain),
  ];
  const [only, another] = asked;
  if (only !== undefined && another !== undefined) {
    throw new EvaluationError(
      `--${only.kind} and --${another.kind} contradict: a profile has one goal.`,
    );
  }
  if (profile === undefined) {
    if (only === undefined) return DEFAULT_GOALS;
    throw new EvaluationError(`--${only.kind} needs --profile: the name to write it under.`);
  }
  if (!PROFILE_NAME.test(profile)) {
    throw new EvaluationError(
      `--profile "${profile}": a name is small letters, digits and dashes, at most 32.`,
    );
  }
  const chosen = only ?? DEFAULT_GOALS[profile];
  if (chosen !== undefined) return { [profile]: chosen };
  throw new EvaluationError(
    `--profile ${profile} needs a goal: --max-tokens-share, --max-mean-tokens, --min-accuracy or --min-gain.`,
  );
}

function goal(kind: ThresholdGoal['kind'], value: number | undefined): ThresholdGoal[] {
  return value === undefined ? [] : [{ kind, value }];
}
