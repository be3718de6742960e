/** A byte-level BPE tokenizer in tokenizer.json's form: 256 bytes, a few merges and Qwen3's special tokens. */

const MERGES = ['Ċ Ċ', 't h', 'th e', 'Ġ a', 'i n', 'Ġ the', 'e r', 'a n'];
const SPECIAL = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<image>'];
const THINK = ['<think>', '</think>'];

export interface TinyTokenizer {
  readonly json: Record<string, unknown>;
  /** Ids of the added tokens. */
  readonly ids: Readonly<Record<string, number>>;
  readonly size: number;
}

export function tinyTokenizer(): TinyTokenizer {
  const vocab: Record<string, number> = {};
  const add = (token: string): void => {
    vocab[token] ??= Object.keys(vocab).length;
  };
  for (const letter of byteLetters()) add(letter);
  for (const merge of MERGES) add(merge.replace(' ', ''));
  const first = Object.keys(vocab).length;
  const added = [...SPECIAL, ...THINK].map((content, i) => ({
    id: first + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: SPECIAL.includes(content),
  }));
  return {
    ids: Object.fromEntries(added.map(({ content, id }) => [content, id])),
    size: first + added.length,
    json: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          {
            type: 'Split',
            pattern: {
              Regex:
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
            },
            behavior: 'Isolated',
            invert: false,
          },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
        ],
      },
      post_processor: {
        type: 'ByteLevel',
        add_prefix_space: false,
        trim_offsets: false,
        use_regex: false,
      },
      decoder: {
        type: 'ByteLevel',
        add_prefix_space: false,
        trim_offsets: false,
        use_regex: false,
      },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab,
        merges: MERGES.map((merge) => merge.split(' ')),
      },
    },
  };
}

/** GPT-2's letters for the 256 bytes: printable ones stand for themselves, the rest follow from U+0100. */
function byteLetters(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : next++),
  );
}
