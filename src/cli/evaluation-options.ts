import { type Command, InvalidArgumentError, Option } from 'commander';
import { MATCHERS, type MatcherName } from '../evaluation/dataset/question.ts';
import { PROMPT_STYLES, type PromptStyle } from '../evaluation/prompts.ts';

/** What `eval` and `calibrate` have in common: what is asked, whom, how, and where the results go. */
export interface EvaluationFlags {
  readonly apiKey?: string;
  readonly model?: string;
  readonly out: string;
  readonly prompt: PromptStyle;
  readonly match: MatcherName | 'auto';
  readonly categoryField: string;
  readonly limit?: number;
  readonly temperature: number;
  readonly seed?: number;
  readonly maxTokens?: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly concurrency: number;
  readonly retries: number;
  readonly timeout: number;
}

export function addEvaluationOptions(command: Command): Command {
  return command
    .argument('<dataset>', 'labelled questions: .jsonl, or .tsv as VLMEvalKit keeps them')
    .option('--model <id>', 'model to ask (default: the first one served)')
    .addOption(new Option('--api-key <key>', 'for servers that want one').env('OPENAI_API_KEY'))
    .option(
      '--out <folder>',
      'results.jsonl and the reports go here; a later run goes on',
      'evaluation',
    )
    .addOption(
      new Option('--prompt <style>', 'how a question is put; auto: choice where there are options')
        .choices(PROMPT_STYLES)
        .default('auto'),
    )
    .addOption(
      new Option('--match <matcher>', 'how an answer is held against its label')
        .choices(['auto', ...MATCHERS])
        .default('auto'),
    )
    .option('--category-field <name>', 'field or column with the category', 'category')
    .option('--limit <count>', 'ask the first questions only', integer(1))
    .option('--temperature <value>', 'sampling temperature; 0 is greedy', decimal(0), 0)
    .option('--seed <number>', 'seed of the sampling', integer(0))
    .option('--max-tokens <count>', 'most tokens of a reply', integer(1))
    .option('--body <json>', 'further fields of every request, as a JSON object', jsonObject, {})
    .option('--concurrency <count>', 'requests under way at once', integer(1), 4)
    .option('--retries <count>', 'further attempts where a request fails', integer(0), 5)
    .option('--timeout <seconds>', 'longest a reply may take', decimal(1), 3600);
}

export function integer(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be an integer of at least ${least}.`);
  };
}

/** @param most absent: any */
export function decimal(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= least && value <= most) return value;
    const range = most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
    throw new InvalidArgumentError(`It must be a number, ${range}.`);
  };
}

function jsonObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('It is not valid JSON.');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new InvalidArgumentError('It must be a JSON object.');
}
