const THINKING_END = '</think>';
/** A phrase that announces the answer; the rest of its line is the answer. */
const CUE =
  /(?:(?:final|correct|right|best)\s+)?(?:answer|option|choice)\s*(?:is|are|would be|should be|:|=)\s*:?\s*/gi;

/** Quotes or brackets around the whole text, with none inside: f(x) keeps its brackets. */
const ENCLOSED = /^["'“‘(]([^"'“”‘’()]*)["'”’)]$/;

/** The reply without thinking that the server did not separate. */
export function withoutThinking(reply: string): string {
  const end = reply.lastIndexOf(THINKING_END);
  return (end < 0 ? reply : reply.slice(end + THINKING_END.length)).trim();
}

/** The stated answer: the last \boxed{…}, else <answer>…</answer>, else what follows the last cue; null without any. */
export function statedAnswer(reply: string): string | null {
  return lastBoxed(reply) ?? tagged(reply) ?? afterCue(reply);
}

/** Normalises text for comparison: lower case, no emphasis, no enclosing quotes, no final punctuation, single spaces. */
export function normalized(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[*`$]/g, '')
    .replace(/\\(?:text|mathrm)\{([^{}]*)\}/g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[.!,;:]+$/, '')
    .replace(ENCLOSED, '$1')
    .replace(/[.!,;:]+$/, '')
    .trim();
}

function lastBoxed(reply: string): string | null {
  const marker = '\\boxed{';
  const start = reply.lastIndexOf(marker);
  if (start < 0) return null;
  let depth = 1;
  for (let at = start + marker.length; at < reply.length; at += 1) {
    if (reply[at] === '{') depth += 1;
    if (reply[at] === '}') depth -= 1;
    if (depth === 0) return reply.slice(start + marker.length, at).trim();
  }
  return null;
}

function tagged(reply: string): string | null {
  const found = [...reply.matchAll(/<answer>([\s\S]*?)<\/answer>/gi)].at(-1);
  return found?.[1]?.trim() ?? null;
}

function afterCue(reply: string): string | null {
  const cue = [...reply.matchAll(CUE)].at(-1);
  if (cue === undefined) return null;
  const [line = ''] = reply.slice(cue.index + cue[0].length).split('\n');
  return line.replace(/[*\s]/g, '') === '' ? null : line.trim();
}
