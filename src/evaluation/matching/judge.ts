import type { MatcherName, Question } from '../dataset/question.ts';
import { extractChoice } from './choice.ts';
import { normalized, statedAnswer, withoutThinking } from './final-answer.ts';
import { extractQuantity, isRelaxedQuantity, isSameQuantity, quantityOf } from './numeric.ts';

/** Whether a reply is right. */
export interface Verdict {
  readonly isRight: boolean;
  /** The answer found in the reply; null without one. */
  readonly extracted: string | null;
}

type Matcher = (reply: string, question: Question) => Verdict;

const MATCHERS: Readonly<Record<MatcherName, Matcher>> = {
  choice: judgeChoice,
  exact: judgeExact,
  contains: judgeContains,
  numeric: (reply, question) => judgeQuantity(reply, question, isSameQuantity),
  relaxed: (reply, question) => judgeQuantity(reply, question, isRelaxedQuantity),
  'yes-no': judgeYesNo,
};

/**
 * Compares a reply with the question's label.
 * @param fallback matcher of questions that name none; `auto` chooses by options and label
 */
export function judge(reply: string, question: Question, fallback: MatcherName | 'auto'): Verdict {
  const wanted = question.match ?? fallback;
  return MATCHERS[wanted === 'auto' ? matcherFor(question) : wanted](
    withoutThinking(reply),
    question,
  );
}

/** Choice for a question with options; else yes-no, numeric or exact, by the label. */
export function matcherFor({ options, answers }: Question): MatcherName {
  if (options.length > 0) return 'choice';
  if (answers.every((answer) => yesNoOf(answer) !== null)) return 'yes-no';
  return answers.every((answer) => quantityOf(answer) !== null) ? 'numeric' : 'exact';
}

function judgeChoice(reply: string, { options, answers }: Question): Verdict {
  const extracted = extractChoice(reply, options);
  const option = options.find(({ letter }) => letter === extracted);
  const isRight =
    option !== undefined && (answers.includes(option.letter) || answers.includes(option.text));
  return { isRight, extracted };
}

/** Right when the whole reply, or the answer that it states, is one of the labels. */
function judgeExact(reply: string, { answers }: Question): Verdict {
  const labels = new Set(answers.map(normalized));
  const stated = statedAnswer(reply);
  const said = [reply, ...(stated === null ? [] : [stated])];
  const right = said.find((text) => labels.has(normalized(text)));
  return { isRight: right !== undefined, extracted: right ?? stated ?? reply };
}

function judgeContains(reply: string, { answers }: Question): Verdict {
  const said = normalized(reply);
  return { isRight: answers.some((answer) => said.includes(normalized(answer))), extracted: reply };
}

function judgeQuantity(reply: string, question: Question, isSame: typeof isSameQuantity): Verdict {
  const labels = question.answers.map(quantityOf);
  // A label that is not a number is compared as text.
  if (labels.some((label) => label === null)) return judgeExact(reply, question);
  const said = extractQuantity(reply);
  if (said === null) return { isRight: false, extracted: null };
  const isRight = labels.some((label) => label !== null && isSame(said, label));
  return { isRight, extracted: String(said.value) };
}

function judgeYesNo(reply: string, { answers }: Question): Verdict {
  const stated = statedAnswer(reply);
  const extracted = (stated === null ? null : yesNoIn(stated)) ?? yesNoIn(reply);
  return {
    isRight: extracted !== null && answers.some((a) => yesNoOf(a) === extracted),
    extracted,
  };
}

function yesNoOf(label: string): 'yes' | 'no' | null {
  const word = normalized(label);
  return word === 'yes' || word === 'no' ? word : null;
}

/** The word that the text contains; if it contains both, the one that it begins with. */
function yesNoIn(text: string): 'yes' | 'no' | null {
  const words = normalized(text).match(/\b(?:yes|no)\b/g) ?? [];
  const said = new Set(words);
  const begins = /^(yes|no)\b/.exec(normalized(text))?.[1];
  const one = said.size === 1 ? words[0] : begins;
  return one === 'yes' || one === 'no' ? one : null;
}
