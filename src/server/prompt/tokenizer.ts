import { readFile } from 'node:fs/promises';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { BYTE_OF_CHARACTER, buildTokenTable, type TokenTable } from '../../package/token-table.ts';
import { type AddedToken, AddedTokenSplitter } from './added-tokens.ts';

const addedTokenSchema = z.object({
  id: z.int().min(0),
  content: z.string().min(1),
  special: z.boolean().default(false),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
});

const tokenizerFileSchema = z.object({
  added_tokens: z.array(addedTokenSchema).default([]),
  model: z.object({
    type: z.literal('BPE'),
    // Not checked entry by entry: there are some 150,000, and a token may be called `__proto__`.
    vocab: z.custom<Record<string, number>>((value) => typeof value === 'object' && value !== null),
  }),
});

/** The parts of the library that are used; its own declarations do not resolve under Node's module rules. */
interface LibraryTokenizer {
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { pre_tokenize(text: string): string[] } | null;
  readonly model: { encode(words: string[]): string[] };
}

/** Text to token ids and back, for byte-level BPE tokenizers. */
export interface Tokenizer {
  /** Ids of a text in which added tokens (`<|im_end|>`, `<think>`…) are recognised. */
  encode(text: string): number[];
  /** Ids of a text in which nothing is special: a spelled-out added token becomes ordinary text tokens. */
  encodePlain(text: string): number[];
  /** Text of some ids, added tokens included. Bytes that are no UTF-8 become U+FFFD. */
  decode(tokenIds: Iterable<number>): string;
  /** A token as the vocabulary spells it (byte-level characters); added tokens as their content; '' for unknown ids. */
  spelling(tokenId: number): string;
  /**
   * Bytes of every id; added tokens as their content.
   * @param size entries wanted, at least the tokenizer's own vocabSize; a model's logits are often padded beyond it
   */
  tokenTable(size?: number): TokenTable;
  /** Finds the added tokens in a text. */
  readonly splitter: AddedTokenSplitter;
  readonly addedTokens: readonly AddedToken[];
  /** Ids of added tokens that write no text. */
  readonly specialIds: ReadonlySet<number>;
  /** Highest id plus one. */
  readonly vocabSize: number;
}

/**
 * Reads a tokenizer.json.
 * @throws Error naming the file where it is not a byte-level BPE tokenizer or needs a feature that is not supported
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const json: unknown = JSON.parse(await readFile(path, 'utf8'));
  try {
    return createTokenizer(json);
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new Error(`${path}: ${reason}`, { cause: error });
  }
}

/** @param json the parsed content of a tokenizer.json */
export function createTokenizer(json: unknown): Tokenizer {
  const file = tokenizerFileSchema.parse(json);
  const vocab = new Map(Object.entries(file.model.vocab));
  checkAlphabet(vocab);
  const addedTokens = file.added_tokens.map(readAddedToken);
  const splitter = new AddedTokenSplitter(addedTokens);
  const encodePlain = plainEncoder(json, vocab);
  const vocabSize = 1 + maxOf([...vocab.values(), ...addedTokens.map(({ id }) => id)]);
  const tokenTable = (size = vocabSize): TokenTable => {
    if (size < vocabSize) {
      throw new RangeError(
        `The tokenizer has ${vocabSize} tokens, the model's vocabulary ${size}.`,
      );
    }
    return buildTokenTable({ vocab, added: addedTokens, size });
  };
  const table = tokenTable();
  return {
    encode: (text) =>
      splitter.split(text).flatMap((s) => (s.kind === 'token' ? [s.id] : encodePlain(s.text))),
    encodePlain,
    decode: (tokenIds) => decode(table, tokenIds),
    spelling: spellings(vocab, addedTokens),
    tokenTable,
    splitter,
    addedTokens,
    specialIds: new Set(addedTokens.filter((token) => token.special).map(({ id }) => id)),
    vocabSize,
  };
}

/**
 * Runs the library's normaliser, pre-tokeniser and merges, but not its search for added tokens, and looks ids up in
 * the model's own vocabulary, so that nothing in the text can become an added token.
 */
function plainEncoder(
  json: unknown,
  vocab: ReadonlyMap<string, number>,
): (text: string) => number[] {
  const library: LibraryTokenizer = new HuggingFaceTokenizer(Object(json), {});
  const { normalizer, pre_tokenizer, model } = library;
  return (text) => {
    const normalized = normalizer === null ? text : normalizer.normalize(text);
    if (normalized === '') return [];
    const words = pre_tokenizer === null ? [normalized] : pre_tokenizer.pre_tokenize(normalized);
    return model.encode(words).map((token) => {
      const id = vocab.get(token);
      if (id === undefined) throw new Error(`The token "${token}" is not in the vocabulary.`);
      return id;
    });
  };
}

/** Builds the table at the first call: most servers never need it. */
function spellings(
  vocab: ReadonlyMap<string, number>,
  addedTokens: readonly AddedToken[],
): (tokenId: number) => string {
  let table: Map<number, string> | undefined;
  return (tokenId) => {
    table ??= new Map([
      ...[...vocab].map(([token, id]): [number, string] => [id, token]),
      ...addedTokens.map(({ id, content }): [number, string] => [id, content]),
    ]);
    return table.get(tokenId) ?? '';
  };
}

function readAddedToken(token: z.output<typeof addedTokenSchema>): AddedToken {
  const { id, content, special, lstrip, rstrip } = token;
  if (token.single_word) {
    throw new Error(`The added token "${content}" has single_word set, which is not supported.`);
  }
  return { id, content, special, lstrip, rstrip };
}

/** Without all 256 byte characters the merges would drop bytes in silence. */
function checkAlphabet(vocab: ReadonlyMap<string, number>): void {
  for (const [character, byte] of BYTE_OF_CHARACTER) {
    if (vocab.has(character)) continue;
    const hex = byte.toString(16).padStart(2, '0');
    throw new Error(`The vocabulary is not byte-level BPE: it has no token for byte 0x${hex}.`);
  }
}

function decode({ bytes, offsets }: TokenTable, tokenIds: Iterable<number>): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let text = '';
  for (const id of tokenIds) {
    text += decoder.decode(bytes.subarray(offsets[id] ?? 0, offsets[id + 1] ?? 0), {
      stream: true,
    });
  }
  return text + decoder.decode();
}

function maxOf(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), -1);
}
