import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  grammarOf,
  type ParsedProtocol,
  type StartState,
} from '../../../../src/engine/thinking/protocol-grammar.ts';
import {
  type Section,
  SectionParser,
  type TextPiece,
} from '../../../../src/engine/thinking/section-parser.ts';
import { repetitions } from '../../../helpers/corpus-sample.ts';
import { Random } from '../../../helpers/random.ts';

const TAGS = { open: '<think>', close: '</think>' };
const PLAIN: ParsedProtocol = { tags: TAGS, decide: { by: 'empty-block' } };
const STARTS: readonly StartState[] = ['outside', 'block-start', 'answer-start'];

type Sections = Record<Section, string>;

function lineBreaks(text: string): number {
  return /^[\r\n]*/.exec(text)?.[0].length ?? 0;
}

/** The rules on a whole text, by regular expressions: what the parser must come to piece by piece. */
function referenceSections(whole: string, start: StartState): Sections {
  const sections: Sections = { preamble: '', reasoning: '', answer: '', delimiter: '' };
  let state = start;
  let text = whole;
  const take = (section: Section, length = text.length): void => {
    sections[section] += text.slice(0, length);
    text = text.slice(length);
  };
  while (text !== '') {
    take('delimiter', state === 'answer-start' ? lineBreaks(text) : 0);
    const tag = /^\s*(<think>|<\/think>)/.exec(text);
    const words = text.trimStart();
    if (tag !== null) {
      take('delimiter', tag[0].length);
      state = tag[1] === TAGS.close ? 'answer-start' : 'block-start';
    } else if (words === '') take('delimiter');
    else if (state !== 'block-start') take('answer');
    // A tag that broke off.
    else if (Object.values(TAGS).some((tagText) => tagText.startsWith(words))) take('reasoning');
    else {
      take('delimiter', text.length - words.length);
      const close = /\s*<\/think>/.exec(text);
      take('reasoning', close?.index);
      take('delimiter', close?.[0].length);
      state = 'answer-start';
    }
  }
  return sections;
}

function parse(parts: readonly string[], start: StartState): TextPiece[] {
  const parser = new SectionParser(grammarOf(PLAIN), start);
  return [...parts.flatMap((part) => parser.push(part)), ...parser.end()];
}

function sectionsOf(pieces: readonly TextPiece[]): Sections {
  const sections: Sections = { preamble: '', reasoning: '', answer: '', delimiter: '' };
  for (const { section, text } of pieces) sections[section] += text;
  return sections;
}

function check(text: string, parts: readonly string[], start: StartState): void {
  const pieces = parse(parts, start);
  const what = `${start}: ${JSON.stringify(parts)}`;
  assert.equal(pieces.map((piece) => piece.text).join(''), text, what);
  assert.deepEqual(sectionsOf(pieces), referenceSections(text, start), what);
}

function cut(text: string, random: Random): string[] {
  const parts: string[] = [];
  const longest = 1 + random.below(12);
  for (let at = 0; at < text.length; ) {
    const length = random.below(longest + 1);
    parts.push(text.slice(at, at + length));
    at += length;
  }
  return parts;
}

/** Every way to cut a text, as the bits of a number. */
function* everyCut(text: string): Generator<string[]> {
  for (let bits = 0; bits < 2 ** (text.length - 1); bits++) {
    const parts: string[] = [''];
    [...text].forEach((character, i) => {
      parts[parts.length - 1] += character;
      if ((bits >> i) & 1) parts.push('');
    });
    yield parts;
  }
}

const FRAGMENTS = [
  '<think>',
  '</think>',
  '</think>',
  '<',
  '</',
  '</thi',
  '<think',
  'think>',
  '< /think>',
  '<b>bold</b>',
  ' ',
  '\n',
  '\n\n',
  '\t\u00a0',
  '\r\n',
  'a',
  'so 3 < 4, ',
  'Größe 大小 ',
  '👩‍🚀',
  '\u200b',
];

function generate(random: Random): string {
  const length = random.below(9);
  return Array.from({ length }, () => FRAGMENTS[random.below(FRAGMENTS.length)]).join('');
}

describe('SectionParser', () => {
  it('divides worked examples as the protocol says', () => {
    const cases: [StartState, string, Partial<Sections>][] = [
      ['block-start', '\nI think.\n</think>\n\nYes.', { reasoning: 'I think.', answer: 'Yes.' }],
      ['block-start', '\n\n</think>Yes.', { reasoning: '', answer: 'Yes.' }],
      ['block-start', '</think>Yes.', { reasoning: '', answer: 'Yes.' }],
      ['block-start', ' \t\r\n </think>\n Yes.', { reasoning: '', answer: ' Yes.' }],
      ['block-start', 'a</think>b</think>c', { reasoning: 'a', answer: 'b</think>c' }],
      ['block-start', 'a <think> b</think>c', { reasoning: 'a <think> b', answer: 'c' }],
      ['block-start', 'is 1 < 2 </thin', { reasoning: 'is 1 < 2 </thin', answer: '' }],
      ['block-start', ' \n', { reasoning: '', answer: '', delimiter: ' \n' }],
      ['outside', '<think>\na\n</think>b', { reasoning: 'a', answer: 'b' }],
      ['outside', ' Yes <think>no</think>', { answer: ' Yes <think>no</think>' }],
      ['outside', '<b>Yes</b>', { answer: '<b>Yes</b>' }],
      ['outside', '<thi', { answer: '<thi' }],
      ['outside', '\n<think></think>\nYes', { reasoning: '', answer: 'Yes' }],
      ['answer-start', '\n\nYes </think>', { answer: 'Yes </think>' }],
      ['answer-start', '\n</think>\nYes', { answer: 'Yes' }],
      ['outside', '</think>Yes', { answer: 'Yes' }],
      ['block-start', '<think>a</think>b', { reasoning: 'a', answer: 'b' }],
      ['block-start', 'a</think>\n<think>b</think>c', { reasoning: 'ab', answer: 'c' }],
      ['block-start', '</think> <think>b</think>c', { reasoning: 'b', answer: 'c' }],
      ['block-start', 'a</think> b <think>c', { reasoning: 'a', answer: ' b <think>c' }],
    ];
    for (const [start, text, expected] of cases) {
      const sections = sectionsOf(parse([text], start));
      assert.deepEqual({ ...sections, ...expected }, sections, `${start}: ${JSON.stringify(text)}`);
      assert.deepEqual(sections, referenceSections(text, start));
    }
  });

  it('gives the same sections for every way to cut a short text', () => {
    const texts = [
      'a</think>b',
      ' </think>\nb',
      '<think>a',
      '\n\n</think>',
      ' < </think',
      'x \n</th y',
    ];
    for (const text of texts) {
      for (const start of STARTS) {
        for (const parts of everyCut(text)) check(text, parts, start);
      }
    }
  });

  it('gives the same sections for generated texts however they are cut', () => {
    const random = new Random(21);
    for (let round = 0; round < repetitions(3000, 500); round++) {
      const text = generate(random);
      for (const start of STARTS) {
        check(text, [text], start);
        check(text, [...text], start);
        for (let i = 0; i < 4; i++) check(text, cut(text, random), start);
      }
    }
  });

  it('treats a block of any white space as a direct answer', () => {
    const random = new Random(22);
    const spaces = [' ', '\n', '\t', '\r\n', '\u00a0', '\u2003', '\u3000', '\ufeff'];
    for (let round = 0; round < 500; round++) {
      const inside = Array.from({ length: random.below(6) }, () => spaces[random.below(8)]).join(
        '',
      );
      const parser = new SectionParser(grammarOf(PLAIN), 'outside');
      for (const part of cut(`<think>${inside}</think>Yes`, random)) parser.push(part);
      assert.equal(parser.mode, 'fast');
      assert.ok(parser.section === 'answer');
    }
  });

  it('never mixes bytes of answer and reasoning', () => {
    const random = new Random(23);
    for (let round = 0; round < 1000; round++) {
      const reasoning = Array.from(
        { length: 1 + random.below(20) },
        () => 'rR< /\n'[random.below(6)],
      );
      const answer = Array.from({ length: random.below(20) }, () => 'aA< /\n'[random.below(6)]);
      const text = `r${reasoning.join('')}</think>${answer.join('')}`;
      const sections = sectionsOf(parse(cut(text, random), 'block-start'));
      assert.doesNotMatch(sections.reasoning, /a/i);
      assert.doesNotMatch(sections.answer, /r/i);
    }
  });

  it('emits text as soon as its section is certain', () => {
    const parser = new SectionParser(grammarOf(PLAIN), 'block-start');
    assert.deepEqual(parser.push('\n'), []);
    assert.deepEqual(parser.push('So'), [
      { section: 'delimiter', text: '\n' },
      { section: 'reasoning', text: 'So' },
    ]);
    assert.deepEqual(parser.push(' 1 <'), [{ section: 'reasoning', text: ' 1' }]);
    assert.deepEqual(parser.push(' 2'), [{ section: 'reasoning', text: ' < 2' }]);
    assert.deepEqual(parser.push('\n</thi'), []);
    assert.deepEqual(parser.push('nk>'), [{ section: 'delimiter', text: '\n</think>' }]);
    assert.deepEqual(parser.push('\n'), [{ section: 'delimiter', text: '\n' }]);
    assert.deepEqual(parser.push('Yes '), [{ section: 'answer', text: 'Yes ' }]);
    assert.deepEqual(parser.push('<'), [{ section: 'answer', text: '<' }]);
    assert.deepEqual(parser.end(), []);
  });

  it('knows the decision point, the mode and the section', () => {
    const parser = new SectionParser(grammarOf(PLAIN), 'outside');
    const state = (): unknown[] => [
      parser.atDecision,
      parser.section === 'reasoning',
      parser.section === 'answer',
      parser.mode,
    ];
    assert.deepEqual(state(), [false, false, false, null]);
    parser.push('<think');
    assert.deepEqual(state(), [false, false, false, null]);
    parser.push('>');
    assert.deepEqual(state(), [true, true, false, null]);
    parser.push('\n');
    assert.deepEqual(state(), [false, true, false, null]);
    parser.push('Hm');
    assert.deepEqual(state(), [false, true, false, 'think']);
    parser.push('</think>');
    assert.deepEqual(state(), [false, false, false, 'think']);
    assert.ok(parser.afterBlock);
    parser.push(' Yes');
    assert.deepEqual(state(), [false, false, true, 'think']);
    assert.ok(new SectionParser(grammarOf(PLAIN), 'block-start').atDecision);
    const direct = new SectionParser(grammarOf(PLAIN), 'answer-start');
    assert.equal(direct.mode, null, 'a block may still be opened');
    direct.push('Yes');
    assert.equal(direct.mode, 'fast');
  });
});
