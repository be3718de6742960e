import { type Command, Option } from 'commander';
import { MATCHERS, type MatcherName } from '../evaluation/dataset/question.ts';
import { PROMPT_STYLES, type PromptStyle } from '../evaluation/prompts.ts';
import { decimal, integer, jsonObject } from './arguments.ts';

/** Options of both `eval` and `calibrate`. */
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
    .argument('<dataset>', 'labelled questions: .jsonl, or .tsv in the format of VLMEvalKit')
    .option('--model <id>', 'Model to ask (default: the first one of the server).')
    .addOption(new Option('--api-key <key>', 'API key of the server.').env('OPENAI_API_KEY'))
    .option(
      '--out <folder>',
      'Folder for results.jsonl and the reports; a later run continues there.',
      'evaluation',
    )
    .addOption(
      new Option(
        '--prompt <style>',
        'Style of the prompt; auto takes choice for questions with options.',
      )
        .choices(PROMPT_STYLES)
        .default('auto'),
    )
    .addOption(
      new Option('--match <matcher>', 'How an answer is compared with its label.')
        .choices(['auto', ...MATCHERS])
        .default('auto'),
    )
    .option('--category-field <name>', 'Field or column with the category.', 'category')
    .option('--limit <count>', 'Ask only the first questions.', integer(1))
    .option('--temperature <value>', 'Sampling temperature; 0 is greedy.', decimal(0), 0)
    .option('--seed <number>', 'Seed of the sampling.', integer(0))
    .option('--max-tokens <count>', 'Most tokens of a reply.', integer(1))
    .option('--body <json>', 'Further fields of every request, as a JSON object.', jsonObject, {})
    .option('--concurrency <count>', 'Most requests at once.', integer(1), 4)
    .option('--retries <count>', 'Retries of a failed request.', integer(0), 5)
    .option('--timeout <seconds>', 'Time limit of a reply.', decimal(1), 3600);
}
