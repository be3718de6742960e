import { type Command, Option } from 'commander';
import { ask } from '../client/ask.ts';
import { DEFAULT_URL, startPrivateServer } from './serve-options.ts';

interface RawOptions {
  readonly url: string;
  readonly package: string;
  readonly apiKey?: string;
  readonly mode?: 'auto' | 'think' | 'fast';
}

export function registerAsk(program: Command): void {
  program
    .command('ask')
    .description('ask a question, with or without an image, and show the answer as it is generated')
    .usage('[options] [image] "question"')
    .argument('<words...>', 'an image (file or URL), if any, and the question')
    .option(
      '--url <url>',
      'Server to ask; if none listens at the default, one is started.',
      DEFAULT_URL,
    )
    .option('--package <folder>', 'Model package for a server that is started.', 'models/nano')
    .addOption(new Option('--api-key <key>', 'API key of the server.').env('THINKGATE_API_KEY'))
    .addOption(
      new Option('--mode <mode>', "Thinking mode (default: the model's).").choices([
        'auto',
        'think',
        'fast',
      ]),
    )
    .action(runAsk);
}

async function runAsk(words: string[], raw: RawOptions): Promise<void> {
  const { image, question } = parseWords(words);
  const url = raw.url.replace(/\/+$/, '');
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  // The reader of the output (`| head`) has closed it.
  process.stdout.once('error', stop);
  try {
    await ask({
      question,
      image,
      url,
      mode: raw.mode,
      apiKey: raw.apiKey && keyValue(raw.apiKey),
      screen: process.stdout,
      // A missing server at an address that was given is an error.
      startServer: url === DEFAULT_URL ? () => startPrivateServer(raw.package) : undefined,
      signal: abort.signal,
    });
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** THINKGATE_API_KEY is the server's variable too: its first key is sent, without the id before it. */
export function keyValue(keys: string): string {
  const [first = ''] = keys.trim().split(/[\s,]/);
  return first.replace(/^[\w.-]{1,64}:/, '');
}

/** @throws Error unless there is a question, or an image and a question */
export function parseWords(words: readonly string[]): { image?: string; question: string } {
  const [first, second] = words;
  if (first !== undefined && words.length === 1) return { question: first };
  if (first !== undefined && second !== undefined && words.length === 2) {
    return { image: first, question: second };
  }
  throw new Error(
    `Expected a question, or an image and a question; got ${words.length} arguments. Put the question in quotes.`,
  );
}
