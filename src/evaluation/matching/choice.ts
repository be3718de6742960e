import type { Option } from '../dataset/question.ts';
import { normalized, statedAnswer } from './final-answer.ts';

/** Letters that are also English words. */
const WORDS = new Set(['A', 'I']);

/**
 * The letter of the option a reply settles on. Looks at the stated answer, the last line and then the whole reply, and
 * in each for a letter alone, one that begins the text (`B.`, `(B)`, `**B**`), the only one in brackets, the only one
 * that stands alone, and for the text of an option.
 * @returns null where nothing or several things can be meant
 */
export function extractChoice(reply: string, options: readonly Option[]): string | null {
  const stated = statedAnswer(reply);
  const lastLine = reply.split('\n').findLast((line) => line.trim() !== '');
  const places = [stated, reply, lastLine].filter((place) => typeof place === 'string');
  const letters = options.map(({ letter }) => letter);
  for (const place of places) {
    const found = letterIn(place, letters) ?? optionIn(place, options);
    if (found !== null) return found;
  }
  // "The answer is A because …": no article would be written large there.
  return known(/^[*(]*([A-Z])(?![\w'’-])/.exec(stated ?? ''), letters);
}

function letterIn(text: string, letters: readonly string[]): string | null {
  const plain = text.replace(/[*`$]|\\(?:text|mathrm|boxed)|[{}]/g, '').trim();
  return (
    known(/^\(?([A-Za-z])\)?[.):]?$/.exec(plain)?.[1]?.toUpperCase(), letters) ??
    known(
      /^(?:option|choice|answer)?:?\s*(?:\(([A-Z])\)|([A-Z])[.):,](?=\s|$))/i.exec(plain),
      letters,
    ) ??
    only(plain.matchAll(/\(([A-Z])\)/g), letters) ??
    only(plain.matchAll(/(?<![\w'’-])([A-Z])(?![\w'’-])/g), letters)
  );
}

function known(
  found: RegExpExecArray | string | null | undefined,
  letters: readonly string[],
): string | null {
  const letter = typeof found === 'string' ? found : (found?.[1] ?? found?.[2]);
  return letter !== undefined && letters.includes(letter) ? letter : null;
}

/** The one letter that several finds agree on. A word that looks like a letter counts only where it cannot be one. */
function only(found: Iterable<RegExpExecArray>, letters: readonly string[]): string | null {
  const distinct = new Set<string>();
  for (const match of found) {
    const letter = match[1];
    if (letter === undefined || !letters.includes(letter)) continue;
    const isBracketed = match[0].startsWith('(');
    const rest = match.input.slice(match.index + match[0].length);
    if (
      !isBracketed &&
      WORDS.has(letter) &&
      /^\s+[a-z]/.test(rest) &&
      !/^\s+(?:is|and|or)\b/.test(rest)
    ) {
      continue;
    }
    distinct.add(letter);
  }
  const [first] = distinct;
  return distinct.size === 1 && first !== undefined ? first : null;
}

/** The option whose text stands there: all of it, or the only one within it (the longest, where one is part of another). */
function optionIn(text: string, options: readonly Option[]): string | null {
  const said = normalized(text);
  const texts = options.map((option) => ({ ...option, text: normalized(option.text) }));
  const equal = texts.filter((option) => option.text === said);
  if (equal.length === 1) return equal[0]?.letter ?? null;
  const within = texts.filter((option) => option.text !== '' && hasWords(said, option.text));
  const longest = within.filter(
    ({ text: one }) => !within.some(({ text: other }) => other !== one && hasWords(other, one)),
  );
  return longest.length === 1 ? (longest[0]?.letter ?? null) : null;
}

/** Whether the text contains the words, delimited by non-word characters. */
function hasWords(text: string, words: string): boolean {
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text[at + words.length] ?? ' ';
    if (!/[\p{L}\p{N}]/u.test(before) && !/[\p{L}\p{N}]/u.test(after)) return true;
  }
  return false;
}
