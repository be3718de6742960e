import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parseList } from '../../../src/evaluation/dataset/images.ts';
import type { Dataset } from '../../../src/evaluation/dataset/question.ts';
import { readDataset } from '../../../src/evaluation/dataset/read-dataset.ts';
import { promptContent, promptText } from '../../../src/evaluation/prompts.ts';
import { options, PIXEL_PNG, question } from '../../helpers/evaluation-fixtures.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

const BASE64 = PIXEL_PNG.toString('base64');

interface Written {
  readonly name: string;
  readonly text: string;
  readonly limit?: number;
  readonly categoryField?: string;
}

function read(test: TestContext, { name, text, limit, categoryField }: Written): Promise<Dataset> {
  const dir = scratchDir(test);
  writeFileSync(join(dir, 'pixel.png'), PIXEL_PNG);
  writeFileSync(join(dir, name), text);
  return readDataset(join(dir, name), { categoryField: categoryField ?? 'category', limit });
}

function lines(...rows: readonly Record<string, unknown>[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

function tsv(...rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.join('\t')}\n`).join('');
}

describe('questions as JSON lines', () => {
  it('are read with every kind of label, option and image', async (test) => {
    const text = lines(
      { id: 'a', question: 'What?', answer: 4, category: 'count', image: 'pixel.png' },
      {
        question: 'Which?',
        answer: 'B',
        options: ['one', 2],
        image: `data:image/png;base64,${BASE64}`,
      },
      {
        id: 3,
        question: 'Who?',
        answer: ['x', 'y'],
        accept: ['y', 'z'],
        images: [BASE64, 'https://a.example/b.png'],
      },
      {
        id: 'd',
        question: 'Where?',
        answer: 'A',
        options: { A: 'here', C: 'there' },
        hint: 'Look.',
        match: 'choice',
      },
    );
    const { questions, sha256, name } = await read(test, { name: 'q.jsonl', text });
    assert.equal(name, 'q.jsonl');
    assert.equal(sha256, createHash('sha256').update(text).digest('hex'));
    const [a, b, c, d] = questions;
    assert.deepEqual(
      [a?.id, a?.answers, a?.category, a?.images[0]?.kind],
      ['a', ['4'], 'count', 'file'],
    );
    assert.deepEqual([b?.id, b?.options, b?.images[0]?.kind], ['2', options('one', '2'), 'url']);
    assert.deepEqual([c?.id, c?.answers], ['3', ['x', 'y', 'z']]);
    assert.deepEqual(
      c?.images.map(({ kind }) => kind),
      ['bytes', 'url'],
    );
    assert.deepEqual(
      d?.options.map(({ letter }) => letter),
      ['A', 'C'],
    );
    assert.deepEqual([d?.hint, d?.match], ['Look.', 'choice']);
  });

  it('take the category from any field, and the first ones only where asked', async (test) => {
    const text = lines({ question: 'a', answer: 'b', kind: 7 }, { question: 'c', answer: 'd' });
    const found = await read(test, { name: 'q.jsonl', text, limit: 1, categoryField: 'kind' });
    assert.deepEqual(
      found.questions.map(({ category }) => category),
      ['7'],
    );
  });

  const REFUSED: readonly (readonly [text: string, message: RegExp])[] = [
    ['{"question":', /line 1 is not valid JSON/],
    [lines({ question: 'a', answer: 'b' }, { question: 'a' }), /line 2, answer/],
    [lines({ answer: 'b' }), /line 1, question/],
    [
      lines({ id: 1, question: 'a', answer: 'b' }, { id: '1', question: 'a', answer: 'b' }),
      /Two questions have the id "1"/,
    ],
    [
      lines({ question: 'a', answer: 'C', options: ['x', 'y'] }),
      /"C", which is none of its options A, B/,
    ],
    [lines({ question: 'a', answer: 'b', image: 'gone.png' }), /image .*gone\.png cannot be read/],
    [
      lines({ question: 'a', answer: 'b', image: 'A'.repeat(100) }),
      /line 1: the base64.*not a PNG/,
    ],
    ['\n', /It has no questions/],
  ];
  for (const [text, message] of REFUSED) {
    it(`are rejected naming file and row: ${message.source}`, async (test) => {
      await assert.rejects(read(test, { name: 'q.jsonl', text }), (error: Error) => {
        assert.match(error.message, message);
        assert.match(error.message, /q\.jsonl/);
        return true;
      });
    });
  }

  it('are a .jsonl or a .tsv file that exists', async (test) => {
    await assert.rejects(read(test, { name: 'q.csv', text: '' }), /a \.jsonl or a \.tsv file/);
    await assert.rejects(
      readDataset('/gone.tsv', { categoryField: 'c' }),
      /gone\.tsv cannot be read/,
    );
  });
});

describe("questions as VLMEvalKit's tables", () => {
  const HEADER = ['index', 'image', 'question', 'hint', 'A', 'B', 'C', 'answer', 'category'];

  it('are read with options, shared and several images, and what pandas leaves empty', async (test) => {
    const text = tsv(
      HEADER,
      ['0', BASE64, '"Which ""one""\tis\nit?"', 'nan', 'x', 'y', '', 'B', 'first'],
      ['1', '0', 'Again?', 'Look.', 'x', '', 'z', 'C', ''],
      ['2', `"['${BASE64}', '${BASE64}']"`, 'Both?', '', '', '', '', 'two', 'second'],
      ['3', '', 'None?', '', '', '', '', "['a', 'b']", 'nan'],
    );
    const { questions } = await read(test, { name: 'q.tsv', text });
    const [one, shared, both, none] = questions;
    assert.equal(one?.text, 'Which "one"\tis\nit?');
    assert.deepEqual([one?.hint, one?.category, one?.options], [null, 'first', options('x', 'y')]);
    assert.deepEqual(one?.images[0], { kind: 'bytes', bytes: PIXEL_PNG });
    assert.deepEqual(shared?.images, one?.images);
    assert.deepEqual(
      shared?.options.map(({ letter }) => letter),
      ['A', 'C'],
    );
    assert.equal(both?.images.length, 2);
    assert.deepEqual([none?.answers, none?.category, none?.images.length], [['a', 'b'], null, 0]);
  });

  it('may name files instead', async (test) => {
    const text = tsv(
      ['index', 'image_path', 'question', 'answer'],
      ['0', 'pixel.png', 'One?', 'a'],
      ['1', "['pixel.png', 'pixel.png']", 'Two?', 'b'],
    );
    const { questions } = await read(test, { name: 'q.tsv', text });
    assert.deepEqual(
      questions.map(({ images }) => images.length),
      [1, 2],
    );
  });

  it('may list the choices in one column, and label with their text', async (test) => {
    const text = tsv(
      ['index', 'question', 'choices', 'answer'],
      ['0', 'Which? (A) 4 (B) 5', "['4', '5']", '5'],
      ['1', 'How many?', '[]', '7'],
    );
    const { questions } = await read(test, { name: 'q.tsv', text });
    assert.deepEqual(
      questions.map((asked) => [asked.options, asked.answers]),
      [
        [options('4', '5'), ['5']],
        [[], ['7']],
      ],
    );
  });

  it('may share the image of a later row', async (test) => {
    const text = tsv(
      ['index', 'image', 'question', 'answer'],
      ['0', '1', 'One?', 'a'],
      ['1', BASE64, 'Two?', 'b'],
    );
    const { questions } = await read(test, { name: 'q.tsv', text });
    assert.deepEqual(questions[0]?.images, questions[1]?.images);
  });

  const REFUSED: readonly (readonly [rows: readonly (readonly string[])[], message: RegExp])[] = [
    [
      [
        ['index', 'question'],
        ['0', 'a'],
      ],
      /no column "answer"; it has: index, question/,
    ],
    [
      [
        ['index', 'question', 'answer'],
        ['0', 'a', ''],
      ],
      /Row 0: the column "answer" is empty/,
    ],
    [
      [
        ['index', 'image', 'question', 'answer'],
        ['0', '7', 'a', 'b'],
      ],
      /Row 0: .* names row 7/,
    ],
    [
      [
        ['index', 'question', 'answer'],
        ['0', 'a'],
      ],
      /cannot be read after row 0/,
    ],
  ];
  for (const [rows, message] of REFUSED) {
    it(`are rejected by row and column: ${message.source}`, async (test) => {
      await assert.rejects(read(test, { name: 'q.tsv', text: tsv(...rows) }), message);
    });
  }
});

it('lists are read as JSON and Python write them', () => {
  assert.deepEqual(parseList(`['it''s', "it's", 'it\\'s', 'a, b']`), [
    'it',
    's',
    "it's",
    "it's",
    'a, b',
  ]);
  assert.deepEqual(parseList('plain'), ['plain']);
  assert.deepEqual(parseList('[]'), []);
  assert.deepEqual(parseList('[1, 2.5]'), ['1', '2.5']);
});

describe('the prompt', () => {
  const asked = question({ text: 'Which?', hint: 'Look.', options: options('x', 'y') });

  it('words a choice, a short answer and a yes-or-no question as VLMEvalKit does', () => {
    assert.equal(
      promptText(asked, 'auto'),
      'Hint: Look.\nQuestion: Which?\nOptions:\nA. x\nB. y\nPlease select the correct answer from the options above.',
    );
    const open = question({ text: 'Which?' });
    assert.equal(promptText(open, 'auto'), 'Which?');
    assert.equal(
      promptText(open, 'short'),
      'Which?\nAnswer the question using a single word or phrase.',
    );
    assert.equal(promptText(open, 'yes-no'), 'Which? Please answer yes or no.');
    assert.equal(promptText(asked, 'as-is'), 'Hint: Look.\nWhich?');
  });

  it('has the images first, or where the text puts them', async () => {
    const images = [PIXEL_PNG, PIXEL_PNG].map((bytes) => ({ kind: 'bytes', bytes }) as const);
    const kinds = async (text: string): Promise<string[]> => {
      const parts = await promptContent(question({ text, images }), 'as-is');
      return parts.map((part) => (part.type === 'text' ? part.text : 'image'));
    };
    assert.deepEqual(await kinds('Which?'), ['image', 'image', 'Which?']);
    assert.deepEqual(await kinds('Is <image 2> like <image_1>?'), [
      ...['Is ', 'image', ' like ', 'image', '?'],
    ]);
    await assert.rejects(kinds('Is <image 3> red?'), /speaks of <image 3> and has 2 images/);
  });

  it('rejects a file that is not an image, by name', async (test) => {
    const path = join(scratchDir(test), 'note.png');
    writeFileSync(path, 'not an image');
    const images = [{ kind: 'file', path } as const];
    await assert.rejects(promptContent(question({ images }), 'as-is'), /note\.png is not a PNG/);
  });
});
