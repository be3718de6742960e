import type { Protocol } from '../../package/protocol.ts';
import type { ChatMessage } from './messages.ts';

type Verdict = 'think' | 'fast';

/**
 * What the caller's own words ask of a model that was trained to follow such words (`/no_think`). They are text like
 * any other and change nothing here; where the model follows them, this says who made the choice. The latest counts.
 * @returns null where there are none, or the family knows none
 */
export function softSwitchIn(
  messages: readonly ChatMessage[],
  { softSwitch = {} }: Pick<Protocol, 'softSwitch'>,
): Verdict | null {
  for (const message of messages.toReversed()) {
    if (message.role !== 'user' && message.role !== 'system') continue;
    const verdict = latestIn(textOf(message), softSwitch);
    if (verdict !== null) return verdict;
  }
  return null;
}

function latestIn(text: string, switches: Readonly<Record<string, Verdict>>): Verdict | null {
  const found = Object.entries(switches).map(([words, verdict]) => ({
    at: text.lastIndexOf(words),
    verdict,
  }));
  const [latest] = found.sort((left, right) => right.at - left.at);
  return latest === undefined || latest.at < 0 ? null : latest.verdict;
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
}
